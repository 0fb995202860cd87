"""Small language models with random weights, saved to disk in the format that real ones come in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from c3_gpt2.tokens import train_tokenizer

SENTENCES = [
    "a red circle",
    "a blue square on the left",
    "two green triangles",
    "a small yellow star above a large grey cross",
]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Models as small as these are slower on many threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return list(SENTENCES)


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of two layers, with dropout as the original has."""
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = train_tokenizer(SENTENCES, 300)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=end,
        eos_token_id=end,
    )
    torch.manual_seed(1)
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers: rotary positions, grouped heads, no bias, an output layer of its own."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = train_tokenizer(SENTENCES, 300)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 3,  # as real ones are: padded to a round number
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.2,  # frozen under LoRA: a smaller output layer could say nothing with certainty
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(1)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

"""Language models with their tokenizers: new ones, and those of the hub, a folder or a GGUF file."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from c3_gpt2.license import license_of
from c3_gpt2.settings import Settings
from c3_gpt2.tokens import train_tokenizer
from c3core.errors import C3Error, library_errors
from c3core.io import UNKNOWN_LICENSE, atomic_write, check_hub
from c3core.runtime import without_bars


@dataclass
class Language:
    """A causal language model of transformers in float32, its tokenizer, and the license of its weights.

    Raises `C3Error` if the two do not fit each other, or cannot be trained here.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    license: str = UNKNOWN_LICENSE

    def __post_init__(self) -> None:
        config = self.model.config
        end = self.tokenizer.eos_token_id
        if end is None:
            end = config.eos_token_id[0] if isinstance(config.eos_token_id, list) else config.eos_token_id
        if end is None:
            raise C3Error(
                "the language model's tokenizer has no end-of-text token. Set its eos_token and save it again."
            )
        self.end: int = end
        bos = self.tokenizer.bos_token_id
        self.start: int = end if bos is None else bos
        self.width: int = self.model.get_input_embeddings().weight.shape[1]
        self.positions: int | None = getattr(config, "max_position_embeddings", None)
        rows = self.model.get_input_embeddings().weight.shape[0]
        if len(self.tokenizer) > rows:
            raise C3Error(f"the tokenizer has {len(self.tokenizer)} tokens, but the language model only {rows}.")
        if "logits_to_keep" not in inspect.signature(self.model.forward).parameters:
            raise C3Error(f"{type(self.model).__name__} cannot be trained here. Choose a decoder-only language model.")
        # A model may have its own generation options. Only the caller's options count.
        self.model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=end)


def fresh(sentences: Iterable[str], settings: Settings) -> Language:
    """Make a GPT-2 of the settings' size, with a subword tokenizer that is learned from a stream of sentences."""
    seen = 0

    def counted() -> Iterator[str]:
        nonlocal seen
        for sentence in sentences:
            seen += 1
            yield sentence

    tokenizer = train_tokenizer(counted(), settings.vocabulary)
    if not seen:
        raise C3Error("a fresh language model learns its words from the sentences, and there are none. Give some.")
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=settings.places + max(settings.max_tokens, 128),
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        activation_function="gelu_pytorch_tanh",  # the same as GPT-2's, in one operation instead of eight
        bos_token_id=end,
        eos_token_id=end,
        **dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), settings.dropout or 0.0),
    )
    return Language(GPT2LMHeadModel(config), tokenizer, license="own")


def pretrained(name: str) -> Language:
    """Load the language model of a hub name, a folder in transformers' format, or a GGUF file, in float32.

    Raises `C3Error` if it cannot be loaded, if weights are missing, or if all weights are pickled.
    """
    path = Path(name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise C3Error(f"{name} is missing. Check the file's name.")
        from transformers import GgufConfig

        extra = {"gguf_file": path.name, "quantization_config": GgufConfig(dequantize=True)}
        return _load(str(path.parent), name, license_of(name), extra)
    if path.is_dir():
        return from_folder(path, license_of(name))
    advice = (
        "On a machine with a network, fetch its config.json, model.safetensors, tokenizer.json and"
        " tokenizer_config.json into a folder; here give that folder as the model."
    )
    check_hub(name, "config.json", advice=advice)
    license = license_of(name)
    return _load(name, name, license, {})


def from_folder(folder: Path, license: str) -> Language:
    """Load the language model of a folder in transformers' format. Raises `C3Error` as `pretrained` does."""
    if not (folder / "config.json").is_file():
        raise C3Error(
            f"{folder} is no language model's folder: it lacks config.json. Check its name, or save it again."
        )
    return _load(str(folder), str(folder), license, {})


def _load(source: str, name: str, license: str, extra: Mapping[str, Any]) -> Language:
    advice = "Give a folder in transformers' format with safetensors weights, a .gguf file, or a hub name."
    with library_errors(f"cannot load the language model {name!r}", advice), without_bars(logging):
        tokenizer = AutoTokenizer.from_pretrained(source, **{k: v for k, v in extra.items() if k == "gguf_file"})
        model, report = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **extra
        )
    lacking = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise C3Error(
            f"{name!r} is no whole causal language model: it lacks the weights {', '.join(lacking[:3])}{more}."
        )
    return Language(model, tokenizer, license)


def write(language: Language, folder: Path, *, weights: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """Save `weights` of the model, in `dtype`, and its tokenizer in transformers' format, as safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    tied = set(language.model.all_tied_weights_keys)
    cast = {name: value.to(dtype) for name, value in weights.items() if name not in tied}
    with tempfile.TemporaryDirectory(prefix=".model.", dir=folder) as staged, without_bars(logging):
        language.model.save_pretrained(staged, state_dict=cast)
        language.tokenizer.save_pretrained(staged)
        written = sorted(path.name for path in Path(staged).iterdir())
        for name in written:
            with atomic_write(folder / name) as temporary:
                os.replace(Path(staged) / name, temporary)
    for path in folder.iterdir():
        if path.is_file() and path.name not in written:
            path.unlink()  # left from an earlier save

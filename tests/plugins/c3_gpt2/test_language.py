"""Loading language models: what is refused, and what is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel, BertModel, GPT2LMHeadModel

from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.language import Language, pretrained, write
from c3_gpt2.tokens import train_tokenizer
from c3core.errors import C3Error
from c3core.io import UNKNOWN_LICENSE


@pytest.fixture
def copy(gpt2_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(gpt2_folder, folder)
    return folder


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_no_such_model() -> None:
    with pytest.raises(C3Error, match="no-such/language-model-at-all"):
        CaptionDecoder(8, model="no-such/language-model-at-all")


def test_pickled_weights_are_not_read(copy: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(copy)
    torch.save(model.state_dict(), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(C3Error, match="safetensors"):
        pretrained(str(copy))


def test_a_cut_file_is_refused(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(C3Error, match="cannot load the language model"):
        pretrained(str(copy))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(C3Error):
        pretrained(str(copy))


def test_weights_of_another_size_are_refused(copy: Path) -> None:
    change(copy / "config.json", n_embd=64)
    with pytest.raises(C3Error):
        pretrained(str(copy))


def test_missing_weights_are_refused(copy: Path) -> None:
    change(copy / "config.json", n_layer=3)
    with pytest.raises(C3Error, match=r"lacks the weights transformer\.h\.2"):
        pretrained(str(copy))


def test_an_encoder_is_refused(copy: Path, tmp_path: Path) -> None:
    tokenizer = pretrained(str(copy)).tokenizer
    config = BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    for kind in (BertModel, BertLMHeadModel):
        folder = tmp_path / kind.__name__
        kind(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    with pytest.raises(C3Error, match="no whole causal language model"):
        pretrained(str(tmp_path / "BertModel"))


def test_another_models_tokenizer_is_refused(copy: Path) -> None:
    train_tokenizer([f"word{i}" for i in range(400)], 600).save_pretrained(copy)
    with pytest.raises(C3Error, match=r"the tokenizer has \d+ tokens, but the language model only"):
        pretrained(str(copy))


def test_the_end_may_be_named_by_the_model_alone(copy: Path) -> None:
    config = copy / "tokenizer_config.json"
    values = json.loads(config.read_text())
    del values["eos_token"]
    config.write_text(json.dumps(values))
    change(copy / "config.json", eos_token_id=[5, 6])
    assert pretrained(str(copy)).end == 5
    change(copy / "config.json", eos_token_id=None)
    with pytest.raises(C3Error, match="no end-of-text token"):
        pretrained(str(copy))


def test_sampling_settings_of_the_model_are_dropped(copy: Path) -> None:
    change(copy / "generation_config.json", do_sample=True, temperature=0.1, repetition_penalty=9.0)
    config = pretrained(str(copy)).model.generation_config
    assert config.do_sample is not True
    assert config.repetition_penalty in (None, 1.0)


def test_the_license_is_the_cards(copy: Path) -> None:
    assert pretrained(str(copy)).license == UNKNOWN_LICENSE
    (copy / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    assert CaptionDecoder(8, model=str(copy)).license == "apache-2.0"
    (copy / "README.md").write_text("---\nlicense: [: broken\n---\n")
    assert pretrained(str(copy)).license == UNKNOWN_LICENSE


def test_a_fresh_model_is_ones_own(sentences: list[str]) -> None:
    decoder = CaptionDecoder(8, model="fresh", layers=1, heads=1, width=16)
    decoder.prepare(sentences)
    assert decoder.license == "own"


def test_too_long_for_the_model(gpt2_folder: Path) -> None:
    with pytest.raises(C3Error, match="do not fit the language model's 128 positions"):
        CaptionDecoder(8, model=str(gpt2_folder), max_tokens=120, prefix_length=10)


def test_writing_leaves_nothing_else_behind(gpt2_folder: Path, tmp_path: Path) -> None:
    language = pretrained(str(gpt2_folder))
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"of an earlier save")
    write(language, tmp_path, weights=language.model.state_dict(), dtype=torch.float32)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "model-00002-of-00002.safetensors" not in first
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(first)
    write(language, tmp_path, weights=language.model.state_dict(), dtype=torch.float32)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_model_that_is_loaded_already(gpt2_folder: Path) -> None:
    language = pretrained(str(gpt2_folder))
    decoder = CaptionDecoder(8, language=Language(language.model, language.tokenizer), device="cpu")
    assert decoder.model is language.model
    assert decoder.license == UNKNOWN_LICENSE

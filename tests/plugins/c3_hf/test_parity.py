"""The same numbers as transformers' own processor and model."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, ImageOps
from torch.nn.functional import normalize
from transformers import (
    AlignModel,
    AltCLIPModel,
    AutoModel,
    AutoProcessor,
    ClapModel,
    CLIPModel,
    Siglip2Model,
    SiglipModel,
)

import c3core
from c3_hf.encoders import TextEncoder

SENTENCES = ["a photo of one dog", "Two RED circles in the rain!", "x"]


def tensor(output: Any) -> torch.Tensor:
    """`get_…_features` gives a tensor in transformers 4, and an output with the embeddings pooled in transformers 5."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def largest(one: torch.Tensor, other: torch.Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of odd sizes, with alpha and an EXIF rotation."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    made = []
    for at, (width, height) in enumerate([(64, 48), (31, 77), (30, 30), (9, 8)]):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height))
        made.append(folder / f"{at}.png")
        coarse.save(made[-1])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 256, (40, 60, 4), dtype=np.uint8)).save(folder / "alpha.png")
    return [*made, folder / "turned.jpg", folder / "alpha.png"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("clip", CLIPModel),
        ("siglip", SiglipModel),
        ("align", AlignModel),
        ("altclip", AltCLIPModel),
        ("siglip2", Siglip2Model),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_pictures(models: dict[str, Path], pictures: list[Path], name: str, kind: Any, batch_size: int) -> None:
    model, processor = kind.from_pretrained(models[name]), AutoProcessor.from_pretrained(models[name])
    upright = [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in pictures]
    with torch.no_grad():
        expected = normalize(tensor(model.get_image_features(**processor(images=upright, return_tensors="pt"))), dim=-1)
    assert float(expected.norm(dim=-1).min()) > 0.99  # of a model that gives zeros, anything would be equal
    space = c3core.load_space(f"hf:{models[name]}")
    assert largest(space.encode(pictures, "image", batch_size=batch_size), expected) < 1e-5
    assert largest(space.encode(pictures[::-1], "image", batch_size=batch_size).flip(0), expected) < 1e-5


# SigLIP has no mask and was trained on whole contexts: its own pages pad so. The others give the same however they are padded.
@pytest.mark.parametrize(
    ("name", "kind", "padding"),
    [
        ("clip", CLIPModel, "longest"),
        ("siglip", SiglipModel, "max_length"),
        ("clap", ClapModel, "longest"),
        ("fused", ClapModel, "longest"),
        ("align", AlignModel, "longest"),
        ("altclip", AltCLIPModel, "longest"),
        ("siglip2", Siglip2Model, "max_length"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_sentences(models: dict[str, Path], name: str, kind: Any, padding: str, batch_size: int) -> None:
    model, processor = kind.from_pretrained(models[name]), AutoProcessor.from_pretrained(models[name])
    encoder = c3core.load_space(f"hf:{models[name]}").encoder("text")
    batch = processor(text=SENTENCES, padding=padding, truncation=True, max_length=encoder.context, return_tensors="pt")
    with torch.no_grad():
        known = signature(model.get_text_features).parameters
        expected = normalize(
            tensor(model.get_text_features(**{name: batch[name] for name in batch if name in known})), dim=-1
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one is longer than SigLIP's context
        assert largest(encoder.encode(SENTENCES, batch_size=batch_size), expected) < 1e-5


@pytest.mark.parametrize("name", ["clap", "fused"])
def test_sounds(models: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Read at the model's rate: in stereo, at another rate, shorter and longer than the model's second."""
    model, processor = ClapModel.from_pretrained(models[name]), AutoProcessor.from_pretrained(models[name])
    rng = np.random.default_rng(0)
    waves = {
        "short.wav": (rng.uniform(-0.5, 0.5, (2500, 2)), 8000),
        "long.wav": (rng.uniform(-0.5, 0.5, (44100 * 2, 1)), 44100),
    }
    if name == "fused":  # longer, but by less than a frame
        waves["whole.wav"] = rng.uniform(-0.5, 0.5, (8020, 1)), 8000
    monos = []
    for file, (wave, rate) in waves.items():
        soundfile.write(tmp_path / file, wave, rate, subtype="FLOAT")
        mono = wave.astype(np.float32).mean(axis=1)
        monos.append(mono if rate == 8000 else librosa.resample(mono, orig_sr=rate, target_sr=8000, res_type="soxr_hq"))
    np.random.seed(0)  # the extractor cuts what is longer at random
    # All at once: of a batch without a long one, a fused model's extractor would call one long by chance.
    batch = processor.feature_extractor(monos, sampling_rate=8000, return_tensors="pt")
    with torch.no_grad():
        expected = tensor(model.get_audio_features(**batch))
    encoder = c3core.load_space(f"hf:{models[name]}").encoder("audio")
    np.random.seed(123)
    state = np.random.get_state()[1].tolist()
    for batch_size in (1, 2):
        ours = encoder.encode([tmp_path / file for file in waves], batch_size=batch_size)
        assert largest(ours, normalize(expected, dim=-1)) < 1e-5
    assert np.random.get_state()[1].tolist() == state


@pytest.mark.parametrize("name", ["clip", "siglip", "clap"])
def test_a_long_text_is_cut_and_a_warning_says_so_once(models: dict[str, Path], name: str) -> None:
    encoder = c3core.load_space(f"hf:{models[name]}").encoder("text")
    long, context = "dog " * 60, encoder.context
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode(["a"])
        texts = [("a photo of one dog in the wide field " * 9)[:n] for n in range(1, 300)]
        ids = encoder.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        fits = [text for text, row in zip(texts, ids, strict=True) if len(row) == context]
        assert fits  # with its ends exactly as long as the context
        encoder.encode(fits)
    with pytest.warns(UserWarning, match=f"longer than {context} tokens"):
        cut = encoder.encode([long])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert largest(encoder.encode([long + "and cats"]), cut) < 1e-6


def test_bfloat16_is_close(models: dict[str, Path], pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    for name in ("clip", "siglip"):
        exact = c3core.load_space(f"hf:{models[name]}")
        rough = c3core.load_space(f"hf:{models[name]}", precision="bfloat16")
        assert 1e-6 < largest(rough.encode(pictures, "image"), exact.encode(pictures, "image")) < 0.02
        assert rough.encoder("image").fingerprint == exact.encoder("image").fingerprint


def test_a_processor_that_would_emulate_bfloat16_computes_in_float32(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    encoder = c3core.load_space(f"hf:{models['clip']}", device="cpu", precision="bfloat16").encoder("text")
    assert encoder.dtype is torch.float32


class TensorModel:
    """A model whose `get_text_features` returns a tensor, as those of transformers 4 do."""

    def __init__(self, model: Any) -> None:
        self.state_dict, self.parameters, self.buffers = model.state_dict, model.parameters, model.buffers

        @wraps(model.get_text_features)
        def features(**arguments: Any) -> torch.Tensor:
            return tensor(model.get_text_features(**arguments))

        self.get_text_features = features


def test_a_model_may_return_a_tensor(models: dict[str, Path]) -> None:
    encoder = c3core.load_space(f"hf:{models['clip']}").encoder("text")
    assert isinstance(encoder, TextEncoder)
    other = TextEncoder(replace(encoder.loaded, model=TensorModel(encoder.loaded.model)))
    assert torch.equal(other.encode(["a dog"]), encoder.encode(["a dog"]))


def test_another_kind_of_model_needs_no_code_of_its_own(tmp_path: Path, models: dict[str, Path]) -> None:
    """A ViT and a CLIP text tower in transformers' class for any two towers."""
    from transformers import (
        CLIPTextModel,
        VisionTextDualEncoderModel,
        VisionTextDualEncoderProcessor,
        ViTConfig,
        ViTModel,
    )

    torch.manual_seed(4)
    vision = ViTModel(
        ViTConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=30,
            patch_size=10,
        )
    )
    text = CLIPTextModel.from_pretrained(models["clip"])
    model = VisionTextDualEncoderModel(vision_model=vision, text_model=text).eval()
    processor = AutoProcessor.from_pretrained(models["clip"])
    model.save_pretrained(tmp_path)
    VisionTextDualEncoderProcessor(processor.image_processor, processor.tokenizer).save_pretrained(tmp_path)
    space = c3core.load_space(f"hf:{tmp_path}")
    assert (space.modalities, space.dim) == (("text", "image"), 512)
    picture = Image.linear_gradient("L").convert("RGB")
    upstream = AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        expected = tensor(upstream.get_image_features(**processor.image_processor(images=picture, return_tensors="pt")))
    assert largest(space.encode([picture], "image"), normalize(expected, dim=-1)) < 1e-5
    assert space.encode(["a dog"], "text").shape == (1, 512)

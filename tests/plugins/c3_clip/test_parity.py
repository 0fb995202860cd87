"""The same numbers as plain open_clip with its own preprocessing and tokens."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image, ImageOps
from torch.nn.functional import normalize

import c3core
from c3_clip.pixels import Fit
from c3core.errors import WrongCall
from tests.helpers.media_files import write_video

SENTENCES = ["a red circle", "Two dogs   run!", "naïve café 東京 🙂", "x", "a photo of a cat &amp; a dog"]


def upright(path: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(path))


def largest(one: torch.Tensor, other: torch.Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_pictures(folder: Path, plain: Any, pictures: list[Path], batch_size: int) -> None:
    model, preprocess, _ = plain
    with torch.no_grad():
        expected = model.encode_image(torch.stack([preprocess(upright(path)) for path in pictures]))
    encoder = c3core.load_space(f"clip:local-dir:{folder}").encoder("image")
    norms = torch.cat([batch.norms for batch in encoder.encode_batches(pictures, batch_size=batch_size)])
    ours = encoder.encode(pictures, batch_size=batch_size)
    assert largest(ours, normalize(expected, dim=-1)) < 1e-5
    torch.testing.assert_close(norms, expected.norm(dim=-1), rtol=1e-5, atol=0)
    backwards = encoder.encode(pictures[::-1], batch_size=batch_size).flip(0)
    assert largest(backwards, normalize(expected, dim=-1)) < 1e-5


def test_sentences(folder: Path, plain: Any) -> None:
    model, _, tokenizer = plain
    with torch.no_grad():
        expected = normalize(model.encode_text(tokenizer(SENTENCES)), dim=-1)
    space = c3core.load_space(f"clip:local-dir:{folder}")
    for batch_size in (1, 2, 64):
        assert largest(space.encode(SENTENCES, "text", batch_size=batch_size), expected) < 1e-5


def test_videos_are_the_mean_of_their_unit_frames(folder: Path, plain: Any) -> None:
    model, preprocess, _ = plain
    rng = np.random.default_rng(0)
    videos = [rng.integers(0, 256, (length, 40, 60, 3), dtype=np.uint8) for length in (30, 4, 1)]
    for frames in (3, 8):
        expected = []
        for video in videos:  # the frames in the middle of equal parts
            chosen = [video[int((i + 0.5) * len(video) / frames)] for i in range(frames)]
            with torch.no_grad():
                each = model.encode_image(torch.stack([preprocess(Image.fromarray(frame)) for frame in chosen]))
            expected.append(normalize(normalize(each, dim=-1).mean(0), dim=-1))
        space = c3core.load_space(f"clip:local-dir:{folder}", frames=frames)
        assert largest(space.encode(videos, "video"), torch.stack(expected)) < 1e-5


def test_videos_are_read_by_decord_if_asked_for(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("decord", reason="the other decoder of videos")
    write_video(tmp_path / "a.mp4", "libx264")
    one, other = (
        c3core.load_space(f"clip:local-dir:{folder}", video_reader=name).encode([tmp_path / "a.mp4"], "video")
        for name in ("pyav", "decord")
    )
    assert largest(one, other) < 1e-3
    with pytest.raises(WrongCall, match="no decoder of videos is called 'dec'"):
        c3core.load_space(f"clip:local-dir:{folder}", video_reader="dec").encode([tmp_path / "a.mp4"], "video")


def test_a_long_text_is_cut_as_open_clip_cuts_it_and_a_warning_says_so_once(folder: Path, plain: Any) -> None:
    model, _, tokenizer = plain
    long = ["a dog " * 40, "one two three " * 30]
    with torch.no_grad():
        expected = normalize(model.encode_text(tokenizer(long)), dim=-1)
    encoder = c3core.load_space(f"clip:local-dir:{folder}").encoder("text")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode(["dog " * 22])  # with its two ends it fits the 24 tokens exactly
    with pytest.warns(UserWarning, match="longer than 24 tokens"):
        ours = encoder.encode(long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode(long)
    assert largest(ours, expected) < 1e-5


@pytest.mark.parametrize("text", ["!?; " * 5 + "a dog " * 40, "#!/bin/sh " * 20, "! " * 60])
def test_a_text_with_the_token_that_pads_is_seen_to_be_cut(folder: Path, text: str) -> None:
    """open_clip pads with 0, which is its token for an exclamation mark."""
    encoder = c3core.load_space(f"clip:local-dir:{folder}").encoder("text")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode(["wait! what!", "! " * 22])
    with pytest.warns(UserWarning, match="longer than 24 tokens"):
        encoder.encode([text])


def test_bfloat16_is_close_to_float32(
    folder: Path, plain: Any, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    model, preprocess, _ = plain
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = model.encode_image(torch.stack([preprocess(upright(path)) for path in pictures])).float()
    exact = c3core.load_space(f"clip:local-dir:{folder}")
    rough = c3core.load_space(f"clip:local-dir:{folder}", precision="bfloat16")
    assert {rough.encoder(modality).dtype for modality in rough.modalities} == {torch.bfloat16}
    ours = rough.encode(pictures, "image")
    assert ours.dtype == torch.float32
    assert largest(ours, normalize(expected, dim=-1)) < 1e-5
    assert 1e-5 < largest(ours, exact.encode(pictures, "image")) < 0.02
    assert 1e-6 < largest(rough.encode(SENTENCES, "text"), exact.encode(SENTENCES, "text")) < 0.02


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_processor_that_would_emulate_a_half_precision_computes_in_float32(
    folder: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    exact = c3core.load_space(f"clip:local-dir:{folder}", device="cpu")
    asked = c3core.load_space(f"clip:local-dir:{folder}", device="cpu", precision=precision)
    assert {asked.encoder(modality).dtype for modality in asked.modalities} == {torch.float32}
    assert torch.equal(asked.encode(SENTENCES, "text"), exact.encode(SENTENCES, "text"))


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.sampled_from([32, (32, 32), (24, 40), (40, 24)]),
    mode=st.sampled_from(["shortest", "longest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
    fill=st.sampled_from([0, 128]),
)
@settings(max_examples=150, deadline=None)
def test_a_picture_becomes_the_pixels_of_open_clips_transform(width: int, height: int, **options: Any) -> None:
    cfg = PreprocessCfg(
        size=options["size"],
        resize_mode=options["mode"],
        interpolation=options["interpolation"],
        fill_color=options["fill"],
    )
    picture = Image.fromarray(
        np.random.default_rng(width * 91 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    )
    try:
        expected = image_transform_v2(cfg, is_train=False)(picture)
    except ValueError:  # a side of no pixels after rounding: Pillow refuses, and so must we
        with pytest.raises(ValueError):  # noqa: PT011
            Fit.of(vars(cfg))(picture)
        return
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (cfg.mean, cfg.std))
    ours = Fit.of(vars(cfg))(picture)
    assert (ours.dtype, ours.is_contiguous()) == (torch.uint8, True)
    torch.testing.assert_close((ours.float() / 255 - mean) / std, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", ["ViT-B-32", "ViT-B-16-SigLIP", "ViT-L-14-CLIPA", "MobileCLIP-S1", "PE-Core-B-16"])
def test_every_kind_of_published_preprocessing_is_known(model: str) -> None:
    tag = open_clip.list_pretrained_tags_by_model(model)[0]
    given = open_clip.get_pretrained_cfg(model, tag)
    cfg = PreprocessCfg(**{key: given[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in given})
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 411, 3), dtype=np.uint8))
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (cfg.mean, cfg.std))
    ours = (Fit.of(vars(cfg))(picture).float() / 255 - mean) / std
    torch.testing.assert_close(ours, image_transform_v2(cfg, is_train=False)(picture), rtol=0, atol=1e-6)

"""`embed_raw`: embeddings of plain tensors, with gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import c3core
from c3_clip.pixels import Fit, Normalize
from c3core import C3Error, Encoder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return c3core.load_space(f"clip:local-dir:{folder}").encoder("image")


def raw(pictures: list[Image.Image]) -> torch.Tensor:
    return (
        torch.stack(
            [torch.frombuffer(bytearray(p.tobytes()), dtype=torch.uint8).view(p.height, p.width, 3) for p in pictures]
        ).permute(0, 3, 1, 2)
        / 255
    )


def test_a_picture_of_the_models_size_gets_what_embed_gives(encoder: Encoder) -> None:
    pictures = [
        Image.effect_noise((48, 48), 90).convert("RGB"),
        Image.linear_gradient("L").resize((48, 48)).convert("RGB"),
    ]
    with torch.no_grad():
        expected = encoder.embed([encoder.reader().read(picture) for picture in pictures])
        torch.testing.assert_close(encoder.embed_raw(raw(pictures)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(96, 96), (130, 61), (20, 30), (49, 48)])
def test_another_size_comes_close_to_what_embed_gives(encoder: Encoder, size: tuple[int, int]) -> None:
    small = Image.effect_noise((9, 9), 120).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    with torch.no_grad():
        expected = encoder.embed([encoder.reader().read(small)])
        ours = encoder.embed_raw(raw([small]))
    assert torch.cosine_similarity(ours, expected).item() > 0.9995  # Pillow rounds to 8 bits, torch does not


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_torch_and_pillow_fit_alike(mode: str) -> None:
    fit = Fit((30, 42), mode, fill=99)
    picture = Image.merge("RGB", [Image.effect_noise((77, 53), 30) for _ in range(3)])
    difference = (fit.raw(raw([picture]))[0] - fit(picture) / 255).abs()
    assert difference.max() < 2 / 255  # Pillow rounds to 8 bits after each of two passes


def test_gradient_reaches_every_pixel(encoder: Encoder) -> None:
    batch = torch.rand(2, 3, 80, 80, generator=torch.Generator().manual_seed(0)).requires_grad_()
    embeddings = encoder.embed_raw(batch)
    (gradient,) = torch.autograd.grad(embeddings.square().sum(), batch)
    assert torch.isfinite(gradient).all()
    assert (gradient.abs().sum(1) > 0).float().mean() > 0.95  # a pixel whose neighbourhood overshoots 0 .. 1 gets none
    assert not any(parameter.requires_grad for parameter in encoder.clip.model.parameters())


def test_gradient_is_right(encoder: Encoder) -> None:
    """Against a finite difference along a random direction, in float64 as far as the model allows."""
    generator = torch.Generator().manual_seed(1)
    batch = 0.3 + 0.4 * torch.rand(1, 3, 60, 60, generator=generator)
    direction = torch.randn(batch.shape, generator=generator)
    weights = torch.randn(encoder.dim, generator=generator)

    def value(at: torch.Tensor) -> torch.Tensor:
        return (encoder.embed_raw(at) * weights).sum()

    (gradient,) = torch.autograd.grad(value(start := batch.clone().requires_grad_()), start)
    step = 1e-2
    with torch.no_grad():
        slope = (value(batch + step * direction) - value(batch - step * direction)).item() / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=0.05)


@pytest.mark.parametrize(
    "batch", [torch.rand(3, 48, 48), torch.rand(1, 1, 48, 48), torch.zeros(1, 3, 48, 48, dtype=torch.uint8)]
)
def test_what_is_no_batch_of_pictures_is_refused(encoder: Encoder, batch: torch.Tensor) -> None:
    with pytest.raises(C3Error, match="pictures must be floats"):
        encoder.embed_raw(batch)


def test_other_modalities_refuse(folder: Path) -> None:
    with pytest.raises(C3Error, match="text encoder"):
        c3core.load_space(f"clip:local-dir:{folder}").encoder("text").embed_raw(torch.rand(1, 3, 48, 48))


def test_one_number_normalises_all_three_channels() -> None:
    pixels, cpu = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4), torch.device("cpu")
    assert torch.equal(Normalize(0.5, 0.25)(pixels, cpu), Normalize([0.5] * 3, [0.25] * 3)(pixels, cpu))

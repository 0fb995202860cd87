"""Latents against the autoencoder itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DModel

from c3_diffusion.canvas import Plain, latents
from c3_diffusion.decoder import DiffusionDecoder
from c3core.errors import C3Error
from tests.helpers.output_encoders import FunctionEncoder


def test_latents_are_the_autoencoders(autoencoder_folder: Path) -> None:
    canvas = latents(str(autoencoder_folder))
    assert (canvas.channels, canvas.shrinks) == (4, 2)
    pictures = torch.rand(2, 3, 16, 16) * 2 - 1
    entered = canvas.enter(pictures)
    assert entered.shape == (2, 4, 8, 8)
    assert not canvas.train().autoencoder.training
    assert not any(parameter.requires_grad for parameter in canvas.parameters())
    if isinstance(canvas.autoencoder, AutoencoderKL):
        model = AutoencoderKL.from_pretrained(autoencoder_folder)
        with torch.no_grad():
            wanted = model.encode(pictures).latent_dist.mean * model.config.scaling_factor
            back = model.decode(wanted / model.config.scaling_factor).sample
        torch.testing.assert_close(entered, wanted)
        torch.testing.assert_close(canvas.leave(entered), back)


def test_an_autoencoder_with_weights_of_a_variant_only_is_loaded(autoencoder_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(autoencoder_folder, tmp_path / "copy")
    weights = tmp_path / "copy" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    wanted = latents(str(autoencoder_folder)).state_dict()
    found = latents(str(tmp_path / "copy")).state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(value, wanted[name]) for name, value in found.items())


def test_pixels_have_a_limit_and_latents_none(autoencoder_folder: Path) -> None:
    ends = torch.tensor([0, 255]).float() / 127.5 - 1  # as `DiffusionDecoder.loss` has them
    assert Plain().limit == ends.abs().max()
    assert latents(str(autoencoder_folder)).limit is None


def test_the_shift_of_an_autoencoder_is_applied(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"block_out_channels": (8, 8), "norm_num_groups": 8, "latent_channels": 2}
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    AutoencoderKL(**sizes, **blocks, scaling_factor=2.0, shift_factor=0.5).save_pretrained(tmp_path / "vae")
    canvas = latents(str(tmp_path))  # a pipeline's folder: its part `vae` is meant
    pictures = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        plain = canvas.autoencoder.encode(pictures).latent_dist.mean
        torch.testing.assert_close(canvas.enter(pictures), (plain - 0.5) * 2)
        torch.testing.assert_close(canvas.leave(canvas.enter(pictures)), canvas.autoencoder.decode(plain).sample)


def test_sizes_that_do_not_fit_the_latents_are_refused(autoencoder_folder: Path) -> None:
    with pytest.raises(C3Error, match="multiple of 8"):
        DiffusionDecoder(4, size=20, widths=(8, 8), patch=2, autoencoder=str(autoencoder_folder))


def test_the_license_names_that_of_the_autoencoder(autoencoder_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(autoencoder_folder, tmp_path / "vae")
    (tmp_path / "vae" / "README.md").write_text("---\nlicense: mit\n---\n")
    decoder = DiffusionDecoder(4, size=16, widths=(8, 8), patch=1, autoencoder=str(tmp_path / "vae"), device="cpu")
    decoder.prepare([])
    decoder.save(tmp_path / "saved")
    assert decoder.license == DiffusionDecoder.load(tmp_path / "saved").license == "own; autoencoder: mit"
    assert DiffusionDecoder(4, size=16, widths=(8, 8), patch=1, device="cpu").license == "own"


def test_a_saved_decoder_carries_its_autoencoder(autoencoder_folder: Path, tmp_path: Path) -> None:
    decoder = DiffusionDecoder(4, size=16, widths=(8, 8), patch=1, autoencoder=str(autoencoder_folder), device="cpu")
    decoder.prepare([])
    trained = {id(parameter) for objective in decoder.objectives() for parameter in objective.parameters}
    assert trained.isdisjoint(id(parameter) for parameter in decoder.canvas.parameters())
    decoder.save(tmp_path)
    described = json.loads((tmp_path / "decoder.json").read_text())
    described["settings"]["autoencoder"] = "gone"
    (tmp_path / "decoder.json").write_text(json.dumps(described))
    loaded = DiffusionDecoder.load(tmp_path, device="cpu")
    wanted = decoder.canvas.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in loaded.canvas.state_dict().items())


def test_a_canvas_that_was_given_is_saved_and_loaded_too(autoencoder_folder: Path, tmp_path: Path) -> None:
    canvas = latents(str(autoencoder_folder))
    decoder = DiffusionDecoder(4, size=16, widths=(8, 8), patch=1, canvas=canvas, device="cpu")
    decoder.prepare([])
    decoder.save(tmp_path)
    rows = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    one, other = (
        some.generate(rows, {"steps": 1}, generator=torch.Generator().manual_seed(0))
        for some in (decoder, DiffusionDecoder.load(tmp_path, device="cpu"))
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_space_looks_at_pictures_and_not_at_latents(autoencoder_folder: Path) -> None:
    """With gradient through the autoencoder; every look, of pictures in 0 to 1."""
    looks = {"rows": 2, "watch_weight": 1.0, "watch_drawn": 1.0, "watch_sampled": 1.0, "watch_shift": 2}
    options = {"size": 16, "widths": (8, 8), "patch": 1, "autoencoder": str(autoencoder_folder), "device": "cpu"}
    decoder = DiffusionDecoder(4, **options, **looks)
    decoder.prepare([])
    seen: list[torch.Tensor] = []
    decoder.output_encoder = FunctionEncoder(lambda pictures: (seen.append(pictures), pictures.flatten(1)[:, :4])[1])
    batch = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    decoder.train().loss(torch.randn(4, 4), batch).backward()
    true, made = seen
    assert true.shape == (2, 3, 16, 16)
    assert made.shape == (2 + 2 + 1, 3, 16, 16)
    assert made.requires_grad
    assert all(parameter.grad is None for parameter in decoder.canvas.parameters())
    assert decoder.painter.unet.conv_in.weight.grad.abs().sum() > 0


def test_what_is_no_autoencoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match=r"lacks config\.json"):
        latents(str(tmp_path))
    UNet2DModel(
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=8,
    ).save_pretrained(tmp_path)
    with pytest.raises(C3Error, match="UNet2DModel"):
        latents(str(tmp_path))


def test_pickled_and_broken_autoencoders_are_refused(autoencoder_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((autoencoder_folder / "config.json").read_text())
    torch.save({}, tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(C3Error, match="pickled"):
        latents(str(tmp_path))
    weights = (autoencoder_folder / "diffusion_pytorch_model.safetensors").read_bytes()
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(C3Error, match="cannot be loaded"):
        latents(str(tmp_path))

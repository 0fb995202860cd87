"""Saving and loading beyond the contract: what is on disk, half precision, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from c3_stylegan.decoder import StyleGANDecoder
from c3_stylegan.settings import Settings
from c3core.errors import C3Error

SMALL: dict[str, Any] = {"channels": 256, "max_channels": 12, "style_dim": 16, "device": "cpu"}
FLOATS = [name for name, field in Settings.model_fields.items() if field.annotation in (float, float | None)]


def trained(**more: Any) -> StyleGANDecoder:
    """A decoder whose average differs from its generator, with pictures that are not grey."""
    torch.manual_seed(0)
    decoder = StyleGANDecoder(8, average=0.5, **{**SMALL, **more})
    decoder.prepare([])
    decoder.after_step(1)
    with torch.no_grad():
        for parameter in decoder.generator.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    decoder.after_step(2)
    return decoder.eval()


def draw(decoder: StyleGANDecoder, n: int = 4) -> np.ndarray:
    conditions = torch.nn.functional.normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    return np.stack(decoder.generate(conditions, generator=torch.Generator().manual_seed(2))).astype(int)


def test_what_is_drawn_is_the_average() -> None:
    decoder = trained()
    before = draw(decoder)
    with torch.no_grad():
        for parameter in decoder.generator.parameters():
            parameter.zero_()
    assert np.array_equal(before, draw(decoder))


def test_all_is_kept_for_fine_tuning(tmp_path: Path) -> None:
    decoder = trained()
    decoder.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "decoder.json",
        "generator.safetensors",
        "players.safetensors",
    }
    loaded = StyleGANDecoder.load(tmp_path, device="cpu")
    wanted, found = decoder.state_dict(), loaded.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_the_generator_alone_is_enough_to_draw(tmp_path: Path) -> None:
    decoder = trained(keep="generator")
    decoder.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"decoder.json", "generator.safetensors"}
    loaded = StyleGANDecoder.load(tmp_path, device="cpu")
    assert np.array_equal(draw(decoder), draw(loaded))
    average = decoder.average.module.state_dict()
    assert all(torch.equal(average[name], value) for name, value in loaded.generator.state_dict().items())
    judges = []
    for seed in (0, 0, 1):
        loaded = StyleGANDecoder.load(tmp_path, device="cpu")
        torch.manual_seed(seed)
        loaded.prepare([])  # a further training goes on from it, with a discriminator of its seed
        judges.append(torch.cat([value.flatten() for value in loaded.discriminator.state_dict().values()]))
        assert np.array_equal(draw(decoder), draw(loaded))
    assert torch.equal(judges[0], judges[1])
    assert not torch.equal(judges[0], judges[2])


def test_half_precision_is_half_as_large_and_draws_the_same(tmp_path: Path) -> None:
    decoder = trained(keep="generator", weights="float16")
    decoder.save(tmp_path)
    path = tmp_path / "generator.safetensors"
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
    numbers = sum(value.numel() for value in decoder.average.module.state_dict().values())
    assert path.stat().st_size < 2 * numbers + 20_000
    difference = np.abs(draw(decoder) - draw(StyleGANDecoder.load(tmp_path, device="cpu")))
    assert difference.mean() < 0.2  # of 255
    assert difference.max() <= 3


def test_a_checkpoint_of_another_resolution_is_refused(tmp_path: Path) -> None:
    trained().save(tmp_path)
    config = json.loads((tmp_path / "decoder.json").read_text())
    config["settings"]["resolution"] = 64
    (tmp_path / "decoder.json").write_text(json.dumps(config))
    with pytest.raises(C3Error, match=r"generator\.safetensors does not fit its decoder\.json: blocks\.3"):
        StyleGANDecoder.load(tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["generator.pt", "players.bin", "old/network-snapshot.pkl"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    trained().save(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(C3Error, match=f"{Path(name).name} looks like pickled weights"):
        StyleGANDecoder.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "null",
        '{"condition_dim": "x", "settings": {}, "license": "", "state": {"steps": 0, "mean_length": 0}}',
        '{"condition_dim": 0, "settings": {}, "license": "", "state": {"steps": 0, "mean_length": 0}}',
        '{"condition_dim": 8, "settings": {}, "license": "", "state": {"steps": -1, "mean_length": 0}}',
        '{"condition_dim": 8, "settings": {}, "license": "", "state": {"steps": 0, "mean_length": "nan"}}',
    ],
)
def test_a_foreign_decoder_json_is_refused(tmp_path: Path, text: str) -> None:
    trained().save(tmp_path)
    (tmp_path / "decoder.json").write_text(text)
    with pytest.raises(C3Error, match="decoder.json of a 'stylegan' decoder"):
        StyleGANDecoder.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 48}, "resolution: must be 32, 64, 128 or 256, got 48"),
        ({"resolution": 16}, "resolution: must be 32, 64, 128 or 256, got 16"),
        ({"resolution": 512}, "resolution: must be 32, 64, 128 or 256, got 512"),
        *(
            ({name: 10**9}, f"{name}: .*less than or equal to")
            for name in ("max_channels", "style_dim", "mapping_layers")
        ),
        ({"chanels": 512}, "chanels: no such field, did you mean .*channels"),
        ({"augment": ["zoom"]}, "augment"),
        ({"temperature": 0}, "temperature"),
        *(({name: value}, f"{name}: .*finite") for name in FLOATS for value in (math.inf, math.nan)),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(C3Error, match=message):
        StyleGANDecoder(8, **options)


@pytest.mark.parametrize("value", [math.inf, math.nan, -0.1, 1.1])
def test_a_truncation_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(C3Error, match="truncation"):
        trained().generate(torch.zeros(1, 8), {"truncation": value})

"""The decoder: what it starts from, what LAFITE's losses see, drawing, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

import c3core
from c3_stylegan import losses
from c3_stylegan.lafite.decoder import LafiteDecoder
from c3core.errors import C3Error
from tests.helpers.lafite import ReferenceGenerator, lafite_tensors, write_lafite
from tests.helpers.output_encoders import FunctionEncoder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lafite(tmp_path_factory.mktemp("lafite") / "lafite.safetensors")


def make(path: Path, **more: Any) -> LafiteDecoder:
    decoder = c3core.load_decoder("lafite", condition_dim=8, model=str(path), device="cpu", **more)
    assert isinstance(decoder, LafiteDecoder)
    decoder.prepare([])
    return decoder.train()


@pytest.fixture
def conditions() -> Tensor:
    return normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=1)


@pytest.fixture
def batch() -> Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def draw(decoder: LafiteDecoder, conditions: Tensor, **options: Any) -> np.ndarray:
    return np.stack(decoder.generate(conditions, options, generator=torch.Generator().manual_seed(2))).astype(int)


def test_it_starts_from_the_three_networks(path: Path) -> None:
    decoder, tensors = make(path), lafite_tensors()
    parts = {"G": decoder.generator, "G_ema": decoder.average.module, "D": decoder.discriminator}
    for part, network in parts.items():
        for name, value in network.state_dict().items():
            assert torch.equal(value, tensors[f"{part}.{name}"])


def test_it_draws_with_the_average_and_its_own_noise(path: Path, conditions: Tensor) -> None:
    decoder = make(path)
    reference = ReferenceGenerator(lafite_tensors(), "G_ema")
    names = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    numbers = torch.Generator()
    for noise in ("const", "none"):
        maps = [reference.t[f"synthesis.{name}.noise_const"] if noise == "const" else None for name in names]
        found = draw(decoder, conditions, noise=noise)
        numbers.manual_seed(2)
        for row, condition in enumerate(conditions):
            w = reference.w(torch.randn(7, generator=numbers).double().numpy())
            picture = reference.picture(condition.double().numpy(), [w] * 6, [*maps, None])
            levels = np.clip(np.round((picture + 1) * 127.5), 0, 255)
            assert np.abs(found[row] - levels.transpose(1, 2, 0)).max() <= 1
    assert np.array_equal(draw(decoder, conditions), draw(decoder, conditions, noise="const"))
    assert not np.array_equal(draw(decoder, conditions), draw(decoder, conditions, noise="random"))


def test_the_average_goes_on_from_lafites(path: Path) -> None:
    """Without the short decay of a new average: LAFITE's has seen many steps."""
    decoder, tensors = make(path), lafite_tensors()
    name = "mapping.fc0.weight"
    decoder.after_step(1)
    expected = 0.9978 * tensors[f"G_ema.{name}"] + 0.0022 * tensors[f"G.{name}"]
    torch.testing.assert_close(decoder.average.module.get_parameter(name).detach(), expected)
    assert torch.equal(decoder.average.module.mapping.w_avg, tensors["G.mapping.w_avg"])  # buffers are copied


def test_settings_are_lafites(path: Path) -> None:
    found = make(path).settings.model_dump()
    expected = {"match_weight": 10, "watch_weight": 10, "temperature": 0.5, "r1": 10, "r1_every": 16}
    expected |= {"path_length": 2, "path_length_every": 4, "style_mixing": 0.9, "average": 0.9978}
    assert {name: found[name] for name in expected} == expected


def contrast(features: Tensor, conditions: Tensor, temperature: float) -> float:
    """LAFITE's InfoNCE, term by term: of a condition over the pictures, of exp(cos / τ)."""
    features, total = features.detach(), 0.0
    for j in range(len(conditions)):
        scores = [
            np.exp(np.exp(float(torch.cosine_similarity(f, conditions[j], dim=0)) / temperature)) for f in features
        ]
        total -= np.log(scores[j] / sum(scores)) / len(conditions)
    return total


def test_the_matching_loss_is_that_of_lafites_code() -> None:
    torch.manual_seed(0)
    features, conditions = torch.randn(5, 6), torch.randn(5, 6)
    for temperature in (0.5, 1.3):
        expected = contrast(features, conditions, temperature)
        assert float(losses.lafite_matching_loss(features, conditions, temperature)) == pytest.approx(expected)
        assert float(losses.lafite_matching_loss(3 * features, conditions / 9, temperature)) == pytest.approx(expected)


def test_the_losses_are_their_terms(path: Path, conditions: Tensor, batch: Tensor) -> None:
    decoder = make(path, path_length=0, style_mixing=0, match_weight=3, temperature=0.4, r1=5)

    def logits(pictures: Tensor) -> tuple[Tensor, Tensor]:
        real, features = decoder.discriminator(pictures)
        return real + (features * conditions).sum(), features

    torch.manual_seed(3)
    drawn = decoder.paint(conditions).detach()
    (real, features), (fake, own) = logits(batch), logits(drawn)
    leaf = batch.clone().requires_grad_()
    (slope,) = torch.autograd.grad(logits(leaf)[0].sum(), leaf)
    expected = softplus(-real).mean() + softplus(fake).mean() + 3 * contrast(features, conditions, 0.4)
    expected = expected + 16 * 5 / 2 * slope.square().sum(dim=(1, 2, 3)).mean()
    torch.manual_seed(3)
    torch.testing.assert_close(decoder.discriminator_loss(conditions, batch), expected, check_dtype=False)
    torch.manual_seed(3)
    expected = softplus(-fake).mean() + 3 * contrast(own, conditions, 0.4)
    torch.testing.assert_close(decoder.loss(conditions, batch), expected, check_dtype=False)


def test_the_space_sees_a_random_square(path: Path, conditions: Tensor, batch: Tensor) -> None:
    decoder, seen = make(path, path_length=0), list[Tensor]()
    decoder.output_encoder = FunctionEncoder(lambda x: (seen.append(x), x.flatten(1)[:, :8])[1])
    for seed in range(60):
        torch.manual_seed(seed)
        decoder.loss(conditions, batch)
    sides = {tuple(pictures.shape[2:]) for pictures in seen}
    assert sides == {(side, side) for side in range(8, 16)}
    torch.manual_seed(59)
    drawn = (decoder.paint(conditions) + 1) / 2
    side = seen[-1].shape[2]
    places = [
        (top, left)
        for top in range(17 - side)
        for left in range(17 - side)
        if torch.equal(drawn[:, :, top : top + side, left : left + side], seen[-1])
    ]
    assert len(places) == 1


def test_half_of_the_pictures_are_mirrored(
    path: Path, conditions: Tensor, batch: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    monkeypatch.setattr("c3_stylegan.gan.augment", lambda pictures, _: (seen.append(pictures), pictures)[1])
    counts = {}
    for mirror in (False, True):
        decoder, seen[:] = make(path, mirror=mirror, r1=0), []
        for _ in range(25):
            decoder.discriminator_loss(conditions, batch)
        real = torch.cat(seen[::2])
        same = (real == batch.repeat(25, 1, 1, 1)).flatten(1).all(dim=1)
        turned = (real.flip(3) == batch.repeat(25, 1, 1, 1)).flatten(1).all(dim=1)
        assert (same ^ turned).all()
        counts[mirror] = int(turned.sum())
    assert counts[False] == 0
    assert 30 < counts[True] < 70


def test_a_saved_decoder_needs_the_file_no_more(path: Path, tmp_path: Path, conditions: Tensor) -> None:
    gone = tmp_path / "gone.safetensors"
    gone.write_bytes(path.read_bytes())
    decoder = make(gone)
    decoder.after_step(1)
    (tmp_path / "saved").mkdir()
    decoder.save(tmp_path / "saved")
    gone.unlink()
    assert str(tmp_path) not in (tmp_path / "saved/decoder.json").read_text()
    loaded = LafiteDecoder.load(tmp_path / "saved", device="cpu")
    wanted, found = decoder.state_dict(), loaded.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert loaded.average.updates == decoder.average.updates
    assert np.array_equal(draw(decoder, conditions), draw(loaded, conditions))


def test_a_saved_folder_of_another_network_is_refused(path: Path, tmp_path: Path) -> None:
    make(path, keep="generator").save(tmp_path)
    (tmp_path / "generator.safetensors").write_bytes(path.read_bytes())  # names with G. and D.
    with pytest.raises(C3Error, match="does not hold LAFITE's network"):
        LafiteDecoder.load(tmp_path, device="cpu")


@pytest.mark.parametrize("options", [{"resolution": 256}, {"temperature": 0.001}, {"rows": 4}, {"model": ""}])
def test_wrong_options_are_refused(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(C3Error, match=next(iter(options))):
        LafiteDecoder(8, **{"model": str(path), **options})

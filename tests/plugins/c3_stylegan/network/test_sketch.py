"""The sketch: what it is made of, who teaches it, and what of a batch it sees."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from c3_stylegan import losses
from c3_stylegan.decoder import StyleGANDecoder
from c3_stylegan.network.discriminator import judge
from c3_stylegan.network.sketch import Sketch
from c3core.errors import C3Error

SMALL: dict[str, Any] = {"channels": 256, "max_channels": 12, "style_dim": 16, "mapping_layers": 2, "device": "cpu"}


def make(**more: Any) -> StyleGANDecoder:
    torch.manual_seed(0)
    decoder = StyleGANDecoder(8, **{"rows": 4, "hidden": 32, **SMALL, **more})
    decoder.prepare([])
    return decoder.train()


@pytest.fixture
def batch() -> Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def conditions() -> Tensor:
    return F.normalize(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)), dim=1)


def test_a_sketch_is_linear_layers_and_two_convolutions() -> None:
    torch.manual_seed(0)
    sketch = Sketch(6, style=4, hidden=10).double()
    conditions, w = torch.randn(3, 6).double(), torch.randn(3, 4).double()
    x = torch.cat([conditions * sqrt(6), w], dim=1)
    for layer in (sketch.trunk[0], sketch.trunk[2]):
        x = F.silu(x @ layer.weight.t() + layer.bias)
    layout = (x @ sketch.layout[0].weight.t() + sketch.layout[0].bias).view(3, 16, 8, 8)
    x = F.silu(F.interpolate(layout, size=(16, 16), mode="bilinear"))
    x = F.silu(F.conv2d(x, sketch.pencil[1].weight, sketch.pencil[1].bias, padding=1))
    drawn = F.conv2d(x, sketch.pencil[3].weight, sketch.pencil[3].bias, padding=1)
    found = sketch(conditions, w)
    torch.testing.assert_close(found[0], layout)
    torch.testing.assert_close(found[1], drawn)
    assert torch.equal(Sketch.picture(drawn)[:, 1, 5, 8], drawn[:, 4 + 2, 2, 4])  # green, odd row, even column


def test_all_rows_teach_the_sketch_and_some_the_players(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(match_weight=3.0, reconstruction=2.0, r1=0.0, temperature=0.2)
    torch.manual_seed(3)
    drawn = decoder.paint(conditions[:4])
    fake, features = decoder.discriminator(drawn)
    real, real_features = decoder.discriminator(batch[:4])
    for_generator = losses.generator_loss(judge(fake, features, conditions[:4])) + 3 * losses.matching_loss(
        features, conditions[:4], 0.2
    )
    for_generator = for_generator + 2 * losses.distances(drawn, batch[:4]).mean()
    torch.manual_seed(3)
    torch.testing.assert_close(decoder.loss(conditions, batch), for_generator)
    judged = judge(real, real_features, conditions[:4]), judge(fake, features, conditions[:4])
    for_judge = losses.discriminator_loss(*judged) + 3 * losses.matching_loss(real_features, conditions[:4], 0.2)
    torch.manual_seed(3)
    torch.testing.assert_close(decoder.discriminator_loss(conditions, batch), for_judge)
    torch.manual_seed(3)
    with torch.no_grad():
        w = decoder.generator.mapping(torch.randn(8, 16))
        _, sketched = decoder.generator.sketch(conditions, w)
    torch.manual_seed(3)
    found = decoder.sketch_loss(conditions, batch)
    torch.testing.assert_close(found, F.mse_loss(Sketch.picture(sketched), batch))


def test_a_sketch_of_larger_pictures_is_of_their_small_ones(conditions: Tensor) -> None:
    """Both decoders have the same sketch and mapping, which are drawn first."""
    decoder, other, batch = make(resolution=64), make(), torch.rand(8, 3, 64, 64)
    assert decoder.paint(conditions).shape == (8, 3, 64, 64)
    torch.manual_seed(3)
    found = decoder.sketch_loss(conditions, batch)
    torch.manual_seed(3)
    torch.testing.assert_close(found, other.sketch_loss(conditions, F.avg_pool2d(batch, 2)))
    torch.manual_seed(3)
    assert not torch.equal(found, other.sketch_loss(conditions, F.avg_pool2d(batch.flip(0), 2)))


def test_each_learns_from_its_own_loss_alone(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(reconstruction=1.0, path_length=2.0)
    parts = {objective.name: objective.parameters for objective in decoder.objectives()}
    assert list(parts) == ["discriminator", "generator", "sketch"]
    all_of = [id(parameter) for parameters in parts.values() for parameter in parameters]
    assert len(set(all_of)) == len(all_of)
    assert set(all_of) == {id(p) for p in (*decoder.generator.parameters(), *decoder.discriminator.parameters())}
    for objective in decoder.objectives():
        decoder.zero_grad()
        objective.loss(conditions, batch).backward()
        for name, parameters in parts.items():
            assert all((parameter.grad is not None) == (name == objective.name) for parameter in parameters), (
                objective.name,
                name,
            )


def test_the_sketch_has_the_trainings_optimizer() -> None:
    assert make().objectives()[2].optimizer == {}
    assert make(sketch_lr=0.1).objectives()[2].optimizer == {"lr": 0.1}


def test_of_several_tries_the_nearest_sketch_counts(batch: Tensor, conditions: Tensor) -> None:
    """Row by row; and the generator draws on just that one."""
    decoder = make(tries=5)
    torch.manual_seed(3)
    chances = torch.stack([decoder.draw_z(8) for _ in range(5)])
    with torch.no_grad():
        sketches = torch.stack(
            [Sketch.picture(decoder.generator.sketch(conditions, decoder.generator.mapping(z))[1]) for z in chances]
        )
    far = (sketches - batch).square().mean(dim=(2, 3, 4))
    nearest = far.argmin(dim=0).tolist()
    assert len(set(nearest)) > 1
    torch.manual_seed(3)
    torch.testing.assert_close(decoder.sketch_loss(conditions, batch), far.min(dim=0).values.mean())
    torch.manual_seed(3)
    z, *noise = decoder.nearest_noise(conditions, batch)
    assert torch.equal(z, torch.stack([chances[k, row] for row, k in enumerate(nearest)]))
    assert [part.shape for part in noise] == [(8, 1, side, side) for side in decoder.generator.noise_sides()]


def test_sketches_have_a_gradient_in_bfloat16(batch: Tensor, conditions: Tensor) -> None:
    """Also of several tries, which draw with the same weights without gradient first."""
    decoder, gradients = make(tries=3), []
    for enabled in (True, False):
        decoder.zero_grad()
        torch.manual_seed(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled, cache_enabled=False):
            loss = decoder.sketch_loss(conditions, batch)
        loss.backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in decoder.generator.sketch.parameters()]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_sketches_are_learned() -> None:
    """A dark left half for one condition, a dark right half for the other."""
    decoder, conditions = make(), torch.eye(8)[[0, 1]].repeat(4, 1)
    batch = torch.ones(8, 3, 32, 32)
    batch[0::2, :, :, :16] = batch[1::2, :, :, 16:] = -1
    sketch = decoder.generator.sketch
    optimizer = torch.optim.Adam(sketch.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        decoder.sketch_loss(conditions, batch).backward()
        optimizer.step()
    assert decoder.sketch_loss(conditions, batch) < 0.2  # a grey one has 1


def test_what_would_do_nothing_is_refused() -> None:
    for name, value in (("sketch_lr", 0.1), ("hidden", 7)):
        with pytest.raises(C3Error, match=f"{name} is for the sketch"):
            StyleGANDecoder(8, **{name: value}, **SMALL)
    with pytest.raises(C3Error, match="tries"):
        StyleGANDecoder(8, tries=2, **SMALL)
    with pytest.raises(C3Error, match=r"rows"):
        StyleGANDecoder(8, rows=1, **SMALL)
    with pytest.raises(C3Error, match="watch_noise"):
        StyleGANDecoder(8, watch_noise=0.1, watch_weight=0.0, **SMALL)

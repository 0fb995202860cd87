"""What the space sees in sketches and drawings while a diffusion decoder is trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from c3_diffusion.decoder import DiffusionDecoder
from c3_diffusion.network import Features
from tests.helpers.output_encoders import FunctionEncoder
from tests.helpers.small_painters import conditions, made


def test_rows_beyond_the_unets_teach_the_sketch_alone() -> None:
    decoder = made(rows=2).train()
    assert decoder.painter is not None
    rows, batch = conditions(6), torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    torch.manual_seed(0)
    both = decoder.loss(rows, batch)
    torch.manual_seed(0)
    velocity = decoder.loss(rows[:2], batch[:2]) - sketch_error(decoder, rows[:2], batch[:2])
    torch.testing.assert_close(both, velocity + sketch_error(decoder, rows, batch))
    decoder.zero_grad()
    sketch_error(decoder, rows, batch).backward()
    taught = {
        name.split(".")[0] for name, parameter in decoder.painter.named_parameters() if parameter.grad is not None
    }
    assert taught == {"trunk", "layout", "pencil"}


def test_what_the_space_sees_in_a_sketch() -> None:
    """1 − the cosine between what the space sees in the sketches of the UNet's rows and in their pictures, times its weight."""
    decoder = made(rows=2, watch_weight=3.0).train()
    rows, batch = conditions(6), torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    torch.manual_seed(0)
    unwatched = decoder.loss(rows, batch)
    matrix, seen = torch.randn(4, 3 * 8 * 8), []

    def conditions_of(pictures: Tensor) -> Tensor:
        seen.append(pictures)
        return pictures.flatten(1) @ matrix.t()

    decoder.output_encoder = FunctionEncoder(conditions_of)
    torch.manual_seed(0)
    watched = decoder.loss(rows, batch)
    pictures, sketches = seen
    torch.testing.assert_close(pictures, batch[:2] / 255)
    torch.testing.assert_close(sketches, (decoder.painter.sketch(rows[:2]) + 1) / 2)
    asked, found = pictures.flatten(1) @ matrix.t(), sketches.flatten(1) @ matrix.t()
    cosines = (found * asked).sum(dim=1) / (found.norm(dim=1) * asked.norm(dim=1))
    torch.testing.assert_close(watched - unwatched, 3 * (1 - cosines).mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sketched", [0.0, 2.0])
def test_what_the_space_sees_in_what_the_unet_draws(sketched: float) -> None:
    """`watch_drawn` counts the rows whose condition was not hidden, as part of all; beside a sketch's look if there is one."""
    more = {"rows": 6, "watch_weight": sketched} if sketched else {}
    decoder = made(watch_drawn=3.0, drop=0.5, **more).train()
    rows, batch = conditions(6), torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    torch.manual_seed(0)
    unwatched = decoder.loss(rows, batch)
    drawn, hidden, matrix = [], [], torch.randn(4, 3 * 8 * 8)

    def note(_: torch.nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        drawn.append(out)
        hidden.append(given[3])

    decoder.painter.register_forward_hook(note)
    decoder.output_encoder = FunctionEncoder(lambda pictures: pictures.flatten(1) @ matrix.t())
    torch.manual_seed(0)
    watched = decoder.loss(rows, batch)

    def apart(pictures: Tensor) -> Tensor:
        found, asked = ((pictures + 1) / 2).flatten(1) @ matrix.t(), (batch / 255).flatten(1) @ matrix.t()
        return 1 - (found * asked).sum(dim=1) / (found.norm(dim=1) * asked.norm(dim=1))

    assert 0 < int(hidden[0].sum()) < 6
    expected = 3 * (apart(drawn[0]) * ~hidden[0]).sum() / 6
    if sketched:
        expected = expected + sketched * apart(decoder.painter.sketch(rows)).mean()
    torch.testing.assert_close(watched - unwatched, expected, rtol=1e-4, atol=1e-5)


def test_what_the_space_sees_in_a_drawing_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """`watch_sampled`: guided steps without gradient, with fresh noise in each, then one guess with its condition, of half of the
    rows."""
    decoder = made(watch_sampled=3.0, drop=0.1).train()
    rows, batch, matrix = (
        conditions(6),
        torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8),
        torch.randn(4, 3 * 8 * 8),
    )
    torch.manual_seed(0)
    unwatched = decoder.loss(rows, batch)
    calls: list[tuple[tuple[Tensor, Tensor, Features], Tensor]] = []
    find = decoder.painter.find

    def noted(x: Tensor, time: Tensor, features: Features) -> Tensor:
        calls.append(((x, time, features), found := find(x, time, features)))
        return found

    monkeypatch.setattr(decoder.painter, "find", noted)
    decoder.output_encoder = FunctionEncoder(lambda pictures: pictures.flatten(1) @ matrix.t())
    met = set()
    for seed in range(40):
        calls.clear()
        torch.manual_seed(seed)
        watched = decoder.loss(rows, batch)
        *steps, ((x, time, asked), guess) = calls[1:]
        done = len(steps)
        met.add(done)
        torch.testing.assert_close(time, torch.full((3,), 1 - done / 8))
        assert torch.equal(asked.vector, decoder.painter.read(rows[:3]).vector)
        assert not any(out.requires_grad for _, out in steps)
        assert not x.requires_grad
        assert guess.requires_grad
        if steps:
            (before, at, *_), out = steps[-1]
            with_condition, without = out.chunk(2)
            picture = (without + 2 * (with_condition - without)).clamp(-1, 1)
            left, fresh = (
                (noisy - (1 - t) * picture) / t for noisy, t in ((before[:3], float(at[0])), (x, float(time[0])))
            )
            assert abs(fresh.mean()) < 0.2  # of 576 numbers: a standard error of 0.04
            assert abs(fresh.std() - 1) < 0.15
            assert (
                abs(torch.corrcoef(torch.stack([left.flatten(), fresh.flatten()]))[0, 1]) < 0.2
            )  # not the noise that was left
        if seed == 0:
            found, wanted = ((guess + 1) / 2).flatten(1) @ matrix.t(), (batch[:3] / 255).flatten(1) @ matrix.t()
            cosines = (found * wanted).sum(dim=1) / (found.norm(dim=1) * wanted.norm(dim=1))
            torch.testing.assert_close(watched - unwatched, 3 * (1 - cosines).mean(), rtol=1e-4, atol=1e-5)
    assert met == set(range(8))


def test_drawings_that_cannot_be_guided_are_looked_at_as_they_are_drawn() -> None:
    decoder = made(watch_sampled=3.0, drop=0.0).train()
    sizes: set[int] = set()
    decoder.painter.register_forward_hook(lambda _, given, out: sizes.add(len(out)))
    decoder.output_encoder = FunctionEncoder(lambda pictures: pictures.flatten(1))
    for seed in range(10):
        torch.manual_seed(seed)
        decoder.loss(conditions(8), torch.zeros(8, 3, 8, 8, dtype=torch.uint8))
    assert sizes == {8, 4}  # of all rows, and of half of them: guidance would see these twice, with and without


def test_noise_before_the_space_sees_sketches() -> None:
    decoder = made(rows=64, watch_weight=1.0, watch_noise=0.1).train()
    seen: list[Tensor] = []
    decoder.output_encoder = FunctionEncoder(lambda pictures: (seen.append(pictures), pictures.flatten(1)[:, :4])[1])
    rows = conditions(64)
    decoder.loss(rows, torch.zeros(64, 3, 8, 8, dtype=torch.uint8))
    noise = seen[1] - (decoder.painter.sketch(rows) + 1) / 2
    assert float(noise.detach().std()) == pytest.approx(0.1, rel=0.05)


def test_all_pictures_are_moved_alike_before_the_space_sees_them() -> None:
    """By each of −2 … 2 pixels in the end, and edges are continued."""
    decoder = made(rows=2, watch_weight=1.0, watch_shift=2).train()
    seen: list[Tensor] = []
    decoder.output_encoder = FunctionEncoder(
        lambda pictures: (seen.append(pictures.detach()), pictures.flatten(1)[:, :4])[1]
    )
    rows, batch = conditions(2), torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    sketches = ((decoder.painter.sketch(rows) + 1) / 2).detach()

    def moved(pictures: Tensor, down: int, right: int) -> Tensor:
        y, x = ((torch.arange(8) + by).clamp(0, 7) for by in (down, right))
        return pictures[:, :, y][:, :, :, x]

    met = set()
    for _ in range(60):
        seen.clear()
        decoder.loss(rows, batch)
        true, made_ones = seen
        (by,) = [(d, r) for d in range(-2, 3) for r in range(-2, 3) if torch.allclose(true, moved(batch / 255, d, r))]
        torch.testing.assert_close(made_ones, moved(sketches, *by))
        met |= {by}
    assert {down for down, _ in met} == {right for _, right in met} == {-2, -1, 0, 1, 2}


def test_steps_bring_what_the_space_sees_in_sketches_to_what_it_sees_in_pictures() -> None:
    decoder = made(rows=6, watch_weight=1.0).train()
    matrix, rows = torch.randn(4, 3 * 8 * 8), conditions(6)
    batch = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    decoder.output_encoder = FunctionEncoder(lambda pictures: (pictures * 2 - 1).flatten(1) @ matrix.t())

    def cosine() -> float:
        with torch.no_grad():
            found, asked = decoder.painter.sketch(rows), batch.float() / 127.5 - 1
            return float(torch.cosine_similarity(found.flatten(1) @ matrix.t(), asked.flatten(1) @ matrix.t()).mean())

    before, optimizer = cosine(), torch.optim.Adam(decoder.painter.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        decoder.loss(rows, batch).backward()
        optimizer.step()
    assert before < 0.5 < 0.9 < cosine()


def sketch_error(decoder: DiffusionDecoder, rows: Tensor, batch: Tensor) -> Tensor:
    assert decoder.painter is not None
    return (decoder.painter.sketch(rows) - (batch.float() / 127.5 - 1)).square().mean()


def test_the_unet_sees_the_sketch() -> None:
    painter = made(rows=2).painter
    assert painter is not None
    assert isinstance(painter.pencil, torch.nn.Sequential)
    x, t, rows = torch.randn(1, 3, 8, 8), torch.full((1,), 0.5), conditions(1)
    with torch.no_grad():
        before = painter(x, t, rows)
        painter.pencil[-1].bias += 1
        assert not torch.allclose(painter(x, t, rows), before, atol=1e-4)

"""Flow matching against cases whose answer is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from c3_diffusion import flow
from c3_diffusion.network import Features

SHAPE = (3, 4, 4)


def test_noisy_ends_are_the_picture_and_the_noise() -> None:
    pictures, noise = torch.randn(2, *SHAPE), torch.randn(2, *SHAPE)
    seen = flow.noisy(pictures, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(seen[0], pictures[0])
    assert torch.equal(seen[1], noise[1])


@given(time=st.floats(flow.LEAST_TIME, 1), seed=st.integers(0, 99))
def test_velocity_of_the_true_picture_is_noise_minus_picture(time: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pictures, noise = (torch.randn(2, *SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    t = torch.full((2,), time, dtype=torch.float64)
    found = flow.velocity(pictures, flow.noisy(pictures, noise, t), t)
    torch.testing.assert_close(found, noise - pictures, rtol=1e-9, atol=1e-9)


@given(steps=st.integers(1, 200), fresh=st.booleans())
def test_denoise_ends_at_a_picture_that_is_known(steps: int, fresh: bool) -> None:
    picture = torch.linspace(-1, 1, 48).reshape(1, *SHAPE)
    calls: list[float] = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        calls.append(float(t[0]))
        return flow.velocity(picture, x, t)

    found = flow.denoise(torch.randn(5, *SHAPE), field, steps, fresh=fresh)
    torch.testing.assert_close(found, picture.expand(5, -1, -1, -1), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(calls), torch.tensor([1 - k / steps for k in range(steps)]))


@given(steps=st.integers(1, 200), data=st.data())
def test_denoise_stops_on_its_way(steps: int, data: st.DataObject) -> None:
    """Towards a picture that is known the way is straight: x = (1 − t) picture + t noise."""
    done = data.draw(st.integers(0, steps))
    picture, noise = torch.linspace(-1, 1, 48).reshape(1, *SHAPE), torch.randn(2, *SHAPE)
    found = flow.denoise(noise, lambda x, t: flow.velocity(picture, x, t), steps, done)
    torch.testing.assert_close(found, flow.noisy(picture, noise, torch.full((2,), 1 - done / steps)), atol=1e-5, rtol=0)


def test_denoise_draws_a_gaussian_whose_best_guess_is_known() -> None:
    """Pictures N(μ, s²): E[x₀ | x_t] = μ + (1−t) s² (x_t − (1−t) μ) / ((1−t)² s² + t²), in closed form."""
    mean, std = 0.3, 0.5

    def field(x: Tensor, t: Tensor) -> Tensor:
        t_ = t[:, None, None, None]
        guess = mean + (1 - t_) * std**2 * (x - (1 - t_) * mean) / ((1 - t_) ** 2 * std**2 + t_**2)
        return (x - guess) / t_

    generator = torch.Generator().manual_seed(0)
    drawn = flow.denoise(torch.randn(400, *SHAPE, generator=generator), field, 200)
    assert abs(drawn.mean() - mean) < 0.02  # 19,200 draws: a standard error of 0.004
    assert abs(drawn.std() - std) < 0.02


def test_fresh_noise_takes_the_place_of_what_is_left() -> None:
    """By hand: after each step x = (1 − t) picture found + t noise of the row's own, whatever x was before."""
    seeds, seen = (4, 9), list[Tensor]()

    def field(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x)
        return flow.velocity(torch.tanh(x), x, t)

    noise = torch.randn(2, *SHAPE)
    found = flow.denoise(
        noise, field, 4, fresh=True, generators=[torch.Generator().manual_seed(seed) for seed in seeds]
    )
    own = [torch.Generator().manual_seed(seed) for seed in seeds]
    expected = noise
    for step in range(1, 5):
        torch.testing.assert_close(seen[step - 1], expected, atol=1e-5, rtol=0)
        t = torch.full((2,), 1 - step / 4)
        expected = flow.noisy(torch.tanh(expected), torch.stack([torch.randn(SHAPE, generator=g) for g in own]), t)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


class Twice:
    """Finds 2 where it sees the condition and 1 where not, times `sign`; counts the rows that it is asked for."""

    def __init__(self, sign: int = 1) -> None:
        self.rows, self.sign = 0, sign

    def read(self, conditions: Tensor, hidden: Tensor | None = None) -> Features:
        seen = torch.ones(len(conditions), dtype=torch.bool) if hidden is None else ~hidden
        return Features(seen, seen)

    def find(self, x: Tensor, t: Tensor, features: Features) -> Tensor:
        self.rows += len(x)
        return self.sign * torch.where(features.vector, 2.0, 1.0)[:, None, None, None].expand_as(x)


def aim(guidance: float, time: float, sign: int = 1, **limits: float) -> tuple[float, int]:
    """The picture that a step at `time` goes to, and the rows that it cost, of one row."""
    network, x, t = Twice(sign), torch.zeros(1, *SHAPE), torch.tensor([time])
    velocity = flow.guided(network, torch.zeros(1, 2), guidance, **limits)(x, t)
    return float((x - t[:, None, None, None] * velocity).mean()), network.rows


@pytest.mark.parametrize("until", [k / 10 for k in range(1, 11)])
def test_guidance_beyond_one_ends_on_the_way(until: float) -> None:
    assert aim(3, until, until=until) == (pytest.approx(4), 2)  # 1 + 3 (2 - 1)
    assert aim(3, until - 0.01, until=until) == (pytest.approx(2), 1)
    assert aim(3, until - 0.01) == (pytest.approx(4), 2)


@pytest.mark.parametrize(("guidance", "picture"), [(0, 1.0), (0.5, 1.5), (1, 2.0)])
def test_guidance_up_to_one_does_not_end(guidance: float, picture: float) -> None:
    assert aim(guidance, 0.1, until=0.3)[0] == pytest.approx(picture)


@given(guidance=st.floats(0, 20), limit=st.floats(0.1, 5), sign=st.sampled_from([-1, 1]))
def test_a_limit_holds_what_guidance_finds(guidance: float, limit: float, sign: int) -> None:
    assert aim(guidance, 0.5, sign, limit=limit)[0] == pytest.approx(sign * min(1 + guidance, limit), abs=1e-4)


def test_noise_levels_have_a_normal_logit() -> None:
    levels = flow.noise_levels(20_000, 0.8, 0.7, torch.Generator().manual_seed(0), torch.device("cpu"))
    logits = torch.logit(levels.double())
    assert abs(logits.mean() - 0.8) < 0.02
    assert abs(logits.std() - 0.7) < 0.02

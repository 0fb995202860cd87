"""The simulation of Figure 4: its steps in the span that moves are those of gradient descent in all dimensions."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from c3_paper.theory.gap import Setting, contrastive_step, moving_span, simulated, study, train
from c3core.errors import WrongCall

SMALL = Setting(n=40, dim=24, image=5, text=8)


def plain_step(x: torch.Tensor, y: torch.Tensor, temperature: float, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
    """One step by automatic differentiation, with rows normalized in the loss and after the step."""
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    scores = normalize(x, dim=1) @ normalize(y, dim=1).T / temperature
    matches = torch.arange(len(x))
    loss = (cross_entropy(scores, matches) + cross_entropy(scores.T, matches)) / 2
    of_x, of_y = torch.autograd.grad(loss, [x, y])
    return normalize((x - rate * of_x).detach(), dim=1), normalize((y - rate * of_y).detach(), dim=1)


def test_rows_vary_in_their_own_dimensions_only_before_they_are_normalized():
    x, y = simulated(SMALL, seed=3)
    assert x.shape == y.shape == (40, 24)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(40, dtype=torch.float64))
    for rows, constant in ((x, slice(5, 24)), (y, slice(13, 24))):
        ratio = rows[:, constant] / rows[:, 23:]  # the length of a row cancels
        assert ratio.std(0).max() < 1e-12
    assert x[:, :5].std(0).min() > 0.05
    assert y[:, 5:13].std(0).min() > 0.05


def test_a_step_equals_automatic_differentiation():
    x, y = simulated(SMALL, seed=0)
    expected = plain_step(x, y, 0.07, 0.5)
    found = contrastive_step(x, y, 0.07, 0.5)
    torch.testing.assert_close(found[:2], expected, rtol=0, atol=1e-14)
    scores, matches = x @ y.T / 0.07, torch.arange(40)
    loss = (cross_entropy(scores, matches) + cross_entropy(scores.T, matches)) / 2
    torch.testing.assert_close(found[2], loss, rtol=1e-12, atol=0)


def test_training_in_the_span_equals_training_in_all_dimensions():
    x, y = simulated(SMALL, seed=1)
    found = train(x, y, SMALL, 50, 2.0, quiet=True)
    for _ in range(50):
        x, y = plain_step(x, y, SMALL.temperature, 2.0)
    torch.testing.assert_close(found[:2], (x, y), rtol=0, atol=1e-12)
    gap = x.mean(0) - y.mean(0)
    assert found[2].steps[-1] == 50
    assert found[2].gap[-1] == pytest.approx(gap.norm().item(), abs=1e-12)
    assert found[2].ineffective[-1] == pytest.approx(gap[13:].norm().item(), abs=1e-12)


def test_the_span_is_no_larger_than_needed():
    x, y = simulated(SMALL, seed=2)
    basis = moving_span(x, y, SMALL.effective)
    assert basis.shape == (24, 15)
    torch.testing.assert_close(basis.T @ basis, torch.eye(15, dtype=torch.float64))
    for rows in (x, y):
        torch.testing.assert_close(rows @ basis @ basis.T, rows)
    assert torch.linalg.matrix_rank(torch.cat(plain_step(x, y, 0.07, 5.0))) == 15


def test_the_study_prints_the_gaps_beside_the_papers():
    found = study(steps=20, learning_rate=1.0, quiet=True, setting=SMALL)
    before, ineffective, after = found.rows[:3]
    assert (before.paper, ineffective.paper, after.paper) == (1.21, 0.99, 0.82)
    assert after.here < ineffective.here < before.here
    assert found.curves["steps"][0] == 0
    assert found.curves["loss"][-1] < found.curves["loss"][0]


def test_the_gap_before_is_as_in_the_paper():
    x, y = simulated(Setting(), seed=0)
    gap = x.mean(0) - y.mean(0)
    assert gap.norm().item() == pytest.approx(1.21, abs=0.1)  # its standard deviation over seeds is 0.04
    assert gap[255:].norm().item() == pytest.approx(0.99, abs=0.1)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}])
def test_it_refuses_what_trains_nothing(wrong):
    with pytest.raises(WrongCall):
        study(quiet=True, setting=SMALL, **wrong)

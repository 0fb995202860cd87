"""The axes of the views, against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from c3_app.projection import Axes


def cloud(count: int, shift: float, seed: int) -> torch.Tensor:
    draw = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) * torch.tensor([1.0, 3, 1, 1, 0.5, 1])
    return draw + shift * torch.tensor([0.0, 0, 1, 1, 0, 0])


def test_the_first_axis_is_the_gap_and_the_second_the_main_direction_across_it() -> None:
    first, second = cloud(200, 2.0, 0), cloud(150, -1.0, 1)
    axes = Axes.of(first, second)
    x, y = first.double().numpy(), second.double().numpy()
    gap = x.mean(0) - y.mean(0)
    gap /= np.linalg.norm(gap)
    both = np.concatenate([x - x.mean(0), y - y.mean(0)])
    both -= np.outer(both @ gap, gap)
    main = np.linalg.eigh(both.T @ both)[1][:, -1]
    np.testing.assert_allclose(axes.directions[0].numpy(), gap, atol=1e-5)
    np.testing.assert_allclose(abs(axes.directions[1].numpy() @ main), 1, atol=1e-5)
    torch.testing.assert_close(axes.directions @ axes.directions.T, torch.eye(2), atol=1e-5, rtol=0)


def test_of_one_cloud_they_are_its_main_directions() -> None:
    rows = cloud(300, 0.0, 2)
    axes = Axes.of(rows)
    centered = (rows - rows.mean(0)).double().numpy()
    main = np.linalg.eigh(centered.T @ centered)[1][:, :-3:-1].T
    np.testing.assert_allclose(np.abs((axes.directions.numpy() * main).sum(1)), 1, atol=1e-5)
    assert axes.names != Axes.of(rows, rows + 1).names


@pytest.mark.parametrize("count", [1, 2])
def test_a_few_points_have_axes_too(count: int) -> None:
    for axes in (Axes.of(cloud(count, 0, 3)), Axes.of(cloud(count, 0, 3), cloud(1, 1, 4))):
        torch.testing.assert_close(axes.directions.norm(dim=1), torch.ones(2))
        assert axes(cloud(5, 0, 5)).shape == (5, 2)

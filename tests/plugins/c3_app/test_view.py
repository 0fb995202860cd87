"""The views of a space before and after a bridge."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from c3_app.known import KnownItems
from c3_app.view import views
from c3core.bridges import preset


def known(count: int, shift: float, seed: int) -> KnownItems:
    rows = 0.1 * torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))
    rows[:, 0] += shift
    return KnownItems(rows, [str(k) for k in range(count)], "made here")


def apart(title: str) -> float:
    return float(re.findall(r"means (\S+) apart", title)[0])


def test_collapse_closes_the_gap_and_c1_leaves_it() -> None:
    clouds = {"image": known(400, 0.5, 0), "text": known(350, -0.5, 1)}
    rows = {modality: items.embeddings for modality, items in clouds.items()}
    for name, left in (("c3", 0.0), ("c1", 1.0)):
        bridge = preset(name, rescale="none").fit(rows, target="text")
        before, after = views(clouds, rows["image"][:1], "image", name, bridge.condition)
        assert apart(before.title) == pytest.approx(1, abs=0.02)
        assert apart(after.title) == pytest.approx(left, abs=0.02)
        assert [*before.clouds] == ["image: 300 made here", "text: 300 made here"]
        gap = [float((cloud[0] - cloud[1])[0]) for cloud in (means(before.clouds), means(after.clouds))]
        assert gap == pytest.approx([1, left], abs=0.02)
        assert before.ranges.equal(after.ranges)
        low, high = before.ranges.T
        for view in (before, after):
            for points in (*view.clouds.values(), view.point[None]):
                assert ((points >= low) & (points <= high)).all()


def means(clouds: object) -> list[Tensor]:
    assert isinstance(clouds, dict)
    return [points.mean(0) for points in clouds.values()]


def test_few_points_do_not_seem_apart() -> None:
    """The means of two clouds of eight points of one distribution are 0.14 apart: √(2 · 8 · 0.1² / 8)."""
    plain, corrected = [], []
    for seed in range(0, 60, 2):
        clouds = {"image": known(8, 0.0, seed), "text": known(8, 0.0, seed + 1)}
        rows = [items.embeddings for items in clouds.values()]
        before, _ = views(clouds, rows[0][:1], "image", "c1", lambda e, modality: e)
        plain.append(float((rows[0].mean(0) - rows[1].mean(0)).norm()))
        corrected.append(apart(before.title))
    assert sum(plain) / 30 == pytest.approx(0.14, abs=0.02)
    assert sum(corrected) / 30 < 0.05


def test_a_bridge_that_changes_the_dimensions() -> None:
    clouds = {"image": known(20, 0.5, 4), "text": known(20, -0.5, 5)}
    before, after = views(clouds, clouds["image"].embeddings[:1], "image", "small", lambda e, modality: e[:, :4])
    assert before.point.shape == after.point.shape == (2,)


def test_one_modality_is_one_cloud() -> None:
    clouds = {"image": known(20, 0.5, 6)}
    before, _ = views(clouds, clouds["image"].embeddings[:1], "image", "c1", lambda e, modality: e)
    assert "apart" not in before.title
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    picture = before.picture()
    assert min(picture.size) > 600
    assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 20

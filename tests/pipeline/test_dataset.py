"""What training reads: rows held out or not, a share of them, and no more than is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import c3core.pipeline.dataset as under_test
from c3core import Pairs
from c3core.media import TextReader
from c3core.pipeline.dataset import TargetDataset
from c3core.store.store import Store
from tests.helpers.spaces import pictures


def test_all_rows_of_one_source_are_held_out_or_none(tmp_path: Path) -> None:
    store = Store.from_embeddings(tmp_path / "store", torch.eye(200), space="s", modality="image", fingerprint="f")
    kinds = (pictures(40), [f"{k}.png" for k in range(40)], [*range(40)])
    numbers = list(np.repeat(np.arange(40) / 2, 5))  # each an object of its own
    tuples = [(f"{k // 5}", "a") for k in range(200)]
    waves = [(np.zeros(2), 16_000) for _ in range(40)]
    for repeated in (
        *([source for source in sources for _ in range(5)] for sources in (*kinds, waves)),
        numbers,
        tuples,
    ):
        rows = TargetDataset(store, Pairs(repeated, "image", [f"{k}" for k in range(200)]), 0.3)
        held = [rows.held_out(str(k)) for k in range(200)]
        assert 0 < sum(held) < 200
        assert all(len(set(held[k : k + 5])) == 1 for k in range(0, 200, 5))
        assert rows.count() == 200 - sum(held)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_the_share_that_is_held_out_is_the_one_that_was_asked_for(tmp_path: Path, share: float) -> None:
    """Within four standard deviations of draws by chance."""
    store = Store.from_embeddings(tmp_path / "store", torch.ones(5000, 2), space="s", modality="text", fingerprint="f")
    rows = TargetDataset(store, [f"text {k}" for k in range(5000)], share)
    assert abs(5000 * (1 - share) - rows.count()) <= 4 * (5000 * share * (1 - share)) ** 0.5


def test_a_validation_of_few_rows_does_not_read_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.from_embeddings(
        tmp_path / "store", torch.eye(9000, 2) + 1, space="s", modality="image", fingerprint="f"
    )
    monkeypatch.setattr(under_test, "VALIDATION_ROWS", 10)
    read, batches = [], store.batches

    def counted(*words: object, **more: object) -> object:
        for batch in batches(*words, **more):  # type: ignore[arg-type]
            read.append(len(batch.ids))
            yield batch

    monkeypatch.setattr(Store, "batches", lambda self, *words, **more: counted(*words, **more))
    targets = [str(k) for k in range(9000)]
    (found,) = TargetDataset(store, targets, 1.0).validation(TextReader())
    assert found[1] == targets[:10]
    assert torch.equal(found[0], next(batches(10)).embeddings)
    assert len(read) == 1

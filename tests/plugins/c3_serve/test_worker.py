"""The thread that owns the model, without HTTP."""

from __future__ import annotations

import io
import time
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from c3_serve.limits import Refused
from c3_serve.monitoring import Figures
from c3_serve.worker import Task, Worker
from c3core import Pipeline, load_pipeline


@pytest.fixture(scope="module")
def painter() -> Pipeline:
    return load_pipeline("playground/painter-stylegan")


def task(pipeline: Pipeline, sources: Sequence[str], seed: int = 0, seconds: float = 600) -> Task:
    options = pipeline.decoder.check_options(None)
    return Task("text", options, seed, sources, time.monotonic() + seconds)


def work(pipeline: Pipeline, folder: Path, tasks: Sequence[Task], **options: Any) -> Figures:
    """Run tasks that came together."""
    figures = Figures()
    worker = Worker(pipeline, folder, figures, **options)
    for one in tasks:
        worker.submit(one)
    worker.start()
    for one in tasks:
        if not one.done.cancelled():
            one.done.exception(120)
    return figures


def figure(figures: Figures, name: str) -> float:
    value = figures.registry.get_sample_value(name)
    assert value is not None
    return value


def pixels(made: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(b64decode(made["output"]))), float)


def test_drawings_of_tasks_in_one_batch_are_those_of_each_by_itself(painter: Pipeline, tmp_path: Path) -> None:
    asked = [["a red ring", "a red ring"], ["a blue star"], ["a red ring"]]
    tasks = [task(painter, sources) for sources in asked] + [task(painter, ["a red ring"], seed=5)]
    figures = work(painter, tmp_path, tasks)
    for sources, one in zip(asked, tasks, strict=False):
        for made, drawn in zip(one.done.result(), painter.run(sources, modality="text"), strict=True):
            np.testing.assert_allclose(pixels(made), np.asarray(drawn, float), atol=1)
    assert np.abs(pixels(tasks[0].done.result()[0]) - pixels(tasks[3].done.result()[0])).max() > 1
    assert figure(figures, "c3_batch_size_count") == 2  # one for each seed
    assert figure(figures, "c3_batch_size_sum") == 5


def test_a_batch_has_at_most_so_many_items(painter: Pipeline, tmp_path: Path) -> None:
    tasks = [task(painter, ["a ring"] * count) for count in (2, 2, 1, 5)]
    figures = work(painter, tmp_path, tasks, batch_size=3)
    assert [len(one.done.result()) for one in tasks] == [2, 2, 1, 5]
    assert figure(figures, "c3_batch_size_count") == 3  # 2 + 1, 2, and 5 of one task


def test_what_nobody_waits_for_is_not_read(painter: Pipeline, tmp_path: Path) -> None:
    late, left, cancelled, good = (task(painter, ["a ring"], seconds=s) for s in (-1, 600, 600, 600))
    left.given_up = True
    cancelled.done.cancel()
    work(painter, tmp_path, [late, left, cancelled, good])
    assert "must be a string" in late.done.result()[0]["error"]
    assert "must be a string" in left.done.result()[0]["error"]
    assert "output" in good.done.result()[0]


def test_a_batch_that_fails_is_run_task_by_task(
    painter: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generate = painter.decoder.generate

    def failing(conditions: Tensor, *options: Any, **more: Any) -> list[Any]:
        if len(conditions) > 1:
            raise RuntimeError("out of memory" if len(conditions) == 2 else "a defect")
        return generate(conditions, *options, **more)

    monkeypatch.setattr(painter.decoder, "generate", failing)
    large, defect, good = (task(painter, ["a ring"] * count) for count in (2, 3, 1))
    work(painter, tmp_path, [large, defect, good])
    refusals = [one.done.exception() for one in (large, defect)]
    assert [error.status for error in refusals if isinstance(error, Refused)] == [503, 500]
    assert "output" in good.done.result()[0]
    assert "RuntimeError: a defect" in capsys.readouterr().err

"""Trackers: TensorBoard's own reader finds the figures of `metrics.jsonl`, also of a run that was killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from c3core.contracts import Objective
from c3core.errors import C3Error, NotInstalled, WrongCall
from c3core.training.options import TrainingOptions
from c3core.training.task import TrainingTask
from c3core.training.trainer import train

OPTIONS = TrainingOptions(steps=12, warmup_steps=2, eval_steps=5, save_steps=4, logging_steps=1, track="tensorboard")


def make_task(die_at: int | None = None) -> TrainingTask:
    """Two objectives of one layer. Kill the process at step `die_at`."""
    layer = nn.Linear(3, 1)

    def after_step(step: int) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return (layer(x) - 1).square().mean()

    objectives = [Objective("main", [layer.weight], loss), Objective("other", [layer.bias], lambda x: 2 * loss(x))]
    data = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
    return TrainingTask(
        layer, objectives, lambda epoch: iter(data), lambda x, draw: (x,), 6, lambda: float(loss(data)), after_step
    )


def run_and_die(folder: str) -> None:
    train(make_task(die_at=7), OPTIONS, Path(folder), quiet=True)


def curves_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves that TensorBoard shows of a run: steps and values."""
    read = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]}


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The same of `metrics.jsonl`."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()):
        for name in ("loss", "learning_rate", "validation"):
            if name in line:
                found.setdefault(name, []).append((line["step"], pytest.approx(line[name], rel=1e-6)))
        for name, value in line.get("losses", {}).items():
            found.setdefault(f"losses/{name}", []).append((line["step"], pytest.approx(value, rel=1e-6)))
    return found


def test_tensorboard_shows_what_the_metrics_hold(tmp_path: Path) -> None:
    train(make_task(), OPTIONS, tmp_path, quiet=True)
    assert curves_of(tmp_path) == logged(tmp_path)
    assert logged(tmp_path).keys() == {"loss", "losses/main", "losses/other", "learning_rate", "validation"}
    before = [*(tmp_path / "tensorboard").iterdir()]
    train(make_task(), OPTIONS, tmp_path, quiet=True)  # it is finished: there is nothing to show
    assert [*(tmp_path / "tensorboard").iterdir()] == before


def test_a_killed_run_continues_its_curves(tmp_path: Path) -> None:
    process = get_context("forkserver").Process(target=run_and_die, args=(str(tmp_path),))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert [step for step, _ in curves_of(tmp_path)["loss"]] == [1, 2, 3, 4, 5, 6]  # beyond the checkpoint of step 4
    time.sleep(1.1)  # TensorBoard reads files in the order of the second in which they began
    train(make_task(), OPTIONS, tmp_path, quiet=True)
    assert curves_of(tmp_path) == logged(tmp_path)


def test_another_tracker_is_no_other_run(tmp_path: Path) -> None:
    silent = OPTIONS.model_copy(update={"track": ()})
    train(make_task(), silent, tmp_path, quiet=True)
    assert not (tmp_path / "tensorboard").exists()
    train(make_task(), OPTIONS, tmp_path, quiet=True)
    assert "track" not in json.loads((tmp_path / "run.json").read_text())["recipe"]["training"]


def test_one_name_is_a_list_of_one() -> None:
    assert TrainingOptions.of({"track": "tensorboard"}).track == ("tensorboard",)
    assert TrainingOptions.of({"track": ["tensorboard", "tensorboard"]}).track == ("tensorboard",)
    with pytest.raises(WrongCall, match="track.0: .*'tensorboard'"):
        TrainingOptions.of({"track": "tensorbord"})


@pytest.mark.parametrize(
    ("name", "command"),
    [("tensorboard", r'pip install "c3core\[tensorboard\]"'), ("comet_ml", "pip install comet-ml")],
)
def test_a_tracker_that_is_not_installed_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotInstalled, match=f"track: {name} is not installed. Run: {command}"):
        TrainingOptions.of({"track": name})


def test_a_folder_named_like_a_tracker_is_no_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "swanlab").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotInstalled, match="swanlab"):
        TrainingOptions(track="swanlab")


def test_a_tracker_that_cannot_start_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file where its folder goes")
    with pytest.raises(C3Error, match="tracker tensorboard cannot be started: .*leave it out of `track`"):
        train(make_task(), OPTIONS, tmp_path, quiet=True)

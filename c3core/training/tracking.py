"""Trackers: TensorBoard, Weights & Biases and others show the figures of `metrics.jsonl` as curves.

They are those of accelerate. `track` of the training options names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from c3core.errors import library_errors

PROJECT = "c3core"  # the name under which a service lists the runs
ADVICE = "Set it up as its own guide says, or leave it out of `track`: the run continues without it."


class Trackers:
    """The trackers of one run."""

    def __init__(self, started: Mapping[str, Any]) -> None:
        self.started = started

    def log(self, line: Mapping[str, Any]) -> None:
        """Log a line of `metrics.jsonl`. The loss of objective `main` of several is the curve `losses/main`."""
        figures: dict[str, float] = {}
        for name, value in line.items():
            figures |= {f"{name}/{one}": x for one, x in value.items()} if isinstance(value, dict) else {name: value}
        step = figures.pop("step")
        for name, tracker in self.started.items():
            with library_errors(f"tracker {name} failed at step {step}", ADVICE):
                tracker.log(figures, step=step)

    def show(self, outputs: Sequence[Any], step: int) -> None:
        """Show outputs of the trained module: texts one by one, uint8 pictures (h, w, 3) of one size side by side.

        A tracker that takes no pictures shows none. Other outputs are not shown.
        """
        texts = {f"samples/{k}": output for k, output in enumerate(outputs, start=1) if isinstance(output, str)}
        pictures = [output for output in outputs if isinstance(output, np.ndarray) and output.ndim == 3]
        for name, tracker in self.started.items():
            order = {"dataformats": "NHWC"} if name == "tensorboard" else {}
            with library_errors(f"tracker {name} failed at step {step}", ADVICE):
                if texts:
                    tracker.log(texts, step=step)
                if pictures and hasattr(tracker, "log_images"):
                    tracker.log_images({"samples": np.stack(pictures)}, step=step, **order)


@contextmanager
def open_trackers(names: Sequence[str], folder: Path, *, step: int) -> Iterator[Trackers]:
    """Start the trackers of a run that has done `step` steps, and finish them at the end.

    TensorBoard writes to `folder/tensorboard`; its curves continue after `step`. The others begin a run of their own,
    and keep it where their environment variables say. Raises `C3Error` if one cannot be started.
    """
    with ExitStack() as stack:
        started = {}
        for name in names:
            with library_errors(f"tracker {name} cannot be started", ADVICE):
                started[name] = _start(name, folder, step)
            stack.callback(started[name].finish)
        yield Trackers(started)


def _start(name: str, folder: Path, step: int) -> Any:
    accelerator = Accelerator(log_with=name, project_dir=folder)
    if name == "tensorboard":  # what a killed session wrote after its last checkpoint is not shown
        accelerator.init_trackers(name, init_kwargs={name: {"purge_step": step + 1}})
    else:
        accelerator.init_trackers(PROJECT)
    return accelerator.trackers[0]

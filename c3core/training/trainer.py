"""The one training loop: any module with objectives over a stream of batches, resumable at any point.

Every draw of a step (data order, noise, dropout) depends on the seed and the number of the epoch or step alone, so that
a run that was killed and started again ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from c3core.contracts import Objective
from c3core.errors import C3Error, WrongCall
from c3core.io.files import append_text, make_folder, read_json, write_json
from c3core.runtime.devices import compute_dtype, processes
from c3core.runtime.progress import progress_bar
from c3core.runtime.signals import deferred_interrupt
from c3core.training.checkpoint import (
    cut_metrics,
    differences,
    load_optimizer_state,
    load_trained,
    optimizer_state,
    read_checkpoint,
    trained_state,
    write_checkpoint,
)
from c3core.training.options import TrainingOptions
from c3core.training.seed import seed_of


@dataclass
class TrainingTask:
    """What is trained: a module, its objectives, and where its batches come from.

    `rows(epoch)` yields the rows of each batch in an order that depends on the epoch alone; `batch(rows, generator)`
    makes the arguments of the objectives' losses of them. `validate()` gives a figure that is better when lower.
    """

    module: nn.Module
    objectives: list[Objective]
    rows: Callable[[int], Iterable[Any]]
    batch: Callable[[Any, torch.Generator], tuple[Any, ...]]
    batches_per_epoch: int
    validate: Callable[[], float] | None = None
    after_step: Callable[[int], None] | None = None
    label: str = "training"
    batch_size: int = 0  # rows a batch, for the rate in items that is shown
    device: torch.device | None = (
        None  # where one process trains; several have one each. None: an accelerator where there is one
    )


@dataclass
class TrainingResult:
    """How a run ended. `best` is the best validation figure (None without validation) and `best_step` where it was
    reached.

    `seconds` counts what earlier sessions of a resumed run took up to their last checkpoint.
    """

    steps: int
    loss: float
    best: float | None
    best_step: int
    seconds: float


def train(
    job: TrainingTask,
    options: TrainingOptions,
    folder: Path,
    *,
    recipe: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> TrainingResult:
    """Train, in `folder`: `run.json` (recipe, versions, seed, precision), `metrics.jsonl`, and `checkpoint.safetensors`
    and `best.safetensors`.

    A folder with a checkpoint of the same recipe is continued. The module ends with its best weights where there is
    validation. At Ctrl-C the step is ended and a checkpoint written; a second one stops at once, back to the last
    checkpoint, and so does the first where several processes train.
    """
    make_folder(folder)
    run = Trainer(job, options, folder, dict(recipe or {}))
    run.resume()
    with progress_bar(job.label, total=run.total, done=run.step, quiet=quiet) as bar, run.deferred_interrupt() as stop:
        run.loop(bar, stop)
        if stop():
            raise KeyboardInterrupt(
                f"stopped after step {run.step} of {run.total}, kept in {folder}. The same command again goes on from"
                " there."
            )
    run.accelerator.wait_for_everyone()  # the first process may still be writing
    run.restore_best()
    return TrainingResult(run.step, run.loss, run.best if job.validate else None, run.best_step, run.took())


class Trainer:
    """The state of one run: what a checkpoint holds, and the loop over it."""

    def __init__(self, job: TrainingTask, options: TrainingOptions, folder: Path, recipe: dict[str, Any]) -> None:
        self.job, self.options, self.folder = job, options, folder
        self.accelerator = processes()
        alone = self.accelerator.num_processes == 1
        self.device = job.device if alone and job.device is not None else self.accelerator.device
        job.module.to(self.device)
        broadcast([*job.module.state_dict().values()])  # in place: all processes start from the first one's weights
        # Each of n processes takes every n-th batch of an epoch: a step is on n batches.
        self.per_epoch, count = job.batches_per_epoch // self.accelerator.num_processes, self.accelerator.num_processes
        if not self.per_epoch:
            raise C3Error(
                f"an epoch has {job.batches_per_epoch} batches, too few for {count} processes. Lower batch_size."
            )
        self.total = options.steps or max(1, round(options.epochs * self.per_epoch))
        self.step, self.loss, self.best, self.best_step, self.without_better = 0, inf, inf, 0, 0
        self.optimizers = [self._optimizer(objective) for objective in job.objectives]
        self.recipe = {
            **recipe,
            "training": options.model_dump(mode="json"),
            "total_steps": self.total,
            "processes": count,
        }
        self.losses: dict[str, float] = {}  # of each objective, as last stepped; the first one's is `loss`
        self.seconds, self.started = 0.0, time.monotonic()  # of earlier sessions; of this one

    def took(self) -> float:
        """Seconds of training so far, over all sessions."""
        return self.seconds + time.monotonic() - self.started

    def _optimizer(self, objective: Objective) -> torch.optim.Optimizer:
        if not objective.parameters:
            raise C3Error(f"nothing to train: objective {objective.name!r} has no parameters that want a gradient.")
        options = self.options
        own: dict[str, Any] = {
            "lr": options.learning_rate,
            "betas": options.betas,
            "weight_decay": options.weight_decay,
        }
        own |= objective.optimizer
        # Norms, biases and other vectors are not decayed, as is usual.
        decayed = [p for p in objective.parameters if p.ndim >= 2]
        plain = [p for p in objective.parameters if p.ndim < 2]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        return torch.optim.AdamW([group for group in groups if group["params"]], fused=True, **own)

    def deferred_interrupt(self) -> AbstractContextManager[Callable[[], bool]]:
        # Each of several processes would stop after a step of its own, and wait for the others' gradients.
        return deferred_interrupt() if self.accelerator.num_processes == 1 else nullcontext(lambda: False)

    def loop(self, bar: Any, stop: Callable[[], bool]) -> None:
        job, options = self.job, self.options
        per_epoch, started, first = self.per_epoch, time.monotonic(), self.step
        own = self.accelerator.process_index, None, self.accelerator.num_processes
        if self.stopped():
            return
        while self.step < self.total:
            for position, rows in enumerate(islice(job.rows(self.step // per_epoch), *own)):
                if position < self.step % per_epoch:
                    continue  # a resumed epoch: these batches were trained on already
                self._one_step(rows)
                bar.advance(1, loss=self.loss, **self._pace(started, first))
                last = self.step == self.total
                if self.step % options.logging_steps == 0 or last:
                    self._note(
                        {
                            "step": self.step,
                            "loss": self.loss,
                            **self._parts(),
                            "learning_rate": self._rate() * options.learning_rate,
                        }
                    )
                if job.validate and (self.step % options.eval_steps == 0 or last):
                    self._validate()
                stopping = stop()
                if self.step % options.save_steps == 0 or last or self.stopped() or stopping:
                    self.checkpoint()
                if stopping:
                    return
                if last or self.stopped() or self.step % per_epoch == 0:
                    break
            else:
                raise C3Error("the data ended before the epoch did. Nothing is lost: start again with the same folder.")
            if self.stopped():
                return

    def stopped(self) -> bool:
        return self.job.validate is not None and self.without_better >= self.options.early_stopping_patience

    def _parts(self) -> dict[str, Any]:
        """The loss of each objective, where there are several."""
        return {"losses": dict(self.losses)} if len(self.losses) > 1 else {}

    def _pace(self, started: float, first: int) -> dict[str, str]:
        """Items a second since this run started, for the display."""
        seconds = max(time.monotonic() - started, 1e-9)
        items = (self.step - first) * self.job.batch_size * self.accelerator.num_processes
        return {"items": f"{items / seconds:.1f}/s"} if self.job.batch_size else {}

    def _rate(self) -> float:
        return self.options.learning_rate_factor(max(0, self.step - 1), self.total)

    def _one_step(self, rows: Any) -> None:
        job, options = self.job, self.options
        seed = seed_of(options.seed, self.step, self.accelerator.process_index)
        torch.manual_seed(seed)  # dropout and the like
        job.module.train()
        # A seed of its own: with the same one a decoder's first draw would be the bridge's noise again, for it to
        # subtract.
        arguments = job.batch(rows, torch.Generator().manual_seed(seed_of(seed)))
        rate = options.learning_rate_factor(self.step, self.total)
        for objective, optimizer in zip(job.objectives, self.optimizers, strict=True):
            if self.step % objective.every:
                continue
            for group in optimizer.param_groups:
                group["lr"] = rate * objective.optimizer.get("lr", options.learning_rate)
            optimizer.zero_grad(set_to_none=True)
            with self._autocast(), self._attention():
                loss = objective.loss(*arguments)
            if not isinstance(loss, Tensor) or loss.ndim:
                shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
                raise C3Error(
                    f"objective {objective.name!r} must give its loss as one number, a tensor of shape (), not {shape}."
                )
            if not torch.isfinite(loss):
                raise C3Error(
                    f"the loss became {loss.item()} at step {self.step}. Lower learning_rate, or use precision float32."
                )
            self.accelerator.backward(loss)
            self._average(objective.parameters)
            if options.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(objective.parameters, options.max_grad_norm)
            optimizer.step()
            self.losses[objective.name] = loss.item()
        self.loss = self.losses[job.objectives[0].name]
        self.step += 1
        if job.after_step:
            job.after_step(self.step)

    def _average(self, parameters: list[nn.Parameter]) -> None:
        """Mean gradient over the processes: losses are methods of any name, which a DDP wrapper would not see."""
        if self.accelerator.num_processes > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.accelerator.reduce(parameter.grad, "mean")

    @property
    def precision(self) -> str:
        """What is computed in, which need not be what was asked for."""
        return str(compute_dtype(self.options.precision, self.device)).removeprefix("torch.")

    def _autocast(self) -> Any:
        dtype = compute_dtype(self.options.precision, self.device)
        # Older versions of torch cache weights cast without gradient too, and objectives may look before they learn.
        device = self.device.type
        return nullcontext() if dtype is torch.float32 else torch.autocast(device, dtype, cache_enabled=False)

    def _attention(self) -> Any:
        # In bfloat16, over rows as short as sentences, the backward pass of the processor's fused attention costs more
        # than it saves: up to half of a small network's step (benchmarks/training.py).
        return sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()

    def _validate(self) -> None:
        assert self.job.validate is not None
        self.job.module.eval()
        figure = inf
        if (
            self.accelerator.is_main_process
        ):  # all are to agree when to stop, and each may have normalised by other batches
            with torch.no_grad(), self._autocast():
                figure = float(self.job.validate())
        if self.accelerator.num_processes > 1:
            figure = float(broadcast(torch.tensor(figure, device=self.accelerator.device)))
        self._note({"step": self.step, "validation": figure})
        if isfinite(figure) and figure < self.best:
            self.best, self.best_step, self.without_better = figure, self.step, 0
            self._save("best", trained_state(self.job.module), {"step": self.step})
        else:
            self.without_better += 1

    def _note(self, line: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            append_text(self.folder / "metrics.jsonl", json.dumps(line) + "\n")

    def _save(self, name: str, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            write_checkpoint(self.folder / f"{name}.safetensors", tensors, state)

    def checkpoint(self) -> None:
        tensors = {f"module.{key}": value for key, value in trained_state(self.job.module).items()}
        tensors |= optimizer_state(self.optimizers)
        state: dict[str, Any] = {"step": self.step, "loss": self.loss, "best": self.best, "best_step": self.best_step}
        state |= {"without_better": self.without_better, "losses": self.losses}
        state["seconds"] = self.took()
        self._save("checkpoint", tensors, state)

    def resume(self) -> None:
        """Continue from the folder's checkpoint, or start it with a `run.json`."""
        described = self.folder / "run.json"
        about = read_json(described) if described.exists() else None
        asked = json.loads(json.dumps(self.recipe))
        if about is not None and (not isinstance(about, dict) or about.get("recipe") != asked):
            differing = (
                differences(about.get("recipe"), asked)[:3] if isinstance(about, dict) and "recipe" in about else []
            )
            what = f" (it differs in {', '.join(differing)})" if differing else ""
            raise WrongCall(
                f"{self.folder} holds a run of another recipe{what}. Choose another folder, or delete this one."
            )
        if about is None and self.accelerator.is_main_process:
            libraries = {name: version(name) for name in ("c3core", "torch", "numpy", "accelerate", "safetensors")}
            versions = {"python": platform.python_version(), **libraries}
            about = {
                "recipe": self.recipe,
                "versions": versions,
                "seed": self.options.seed,
                "precision": self.precision,
            }
            write_json(described, about)
        path = self.folder / "checkpoint.safetensors"
        tensors, state = read_checkpoint(path) if path.exists() else ({}, {"step": 0})
        if self.accelerator.is_main_process:
            cut_metrics(self.folder / "metrics.jsonl", state["step"])
        if not tensors:
            return
        prefix = "module."
        load_trained(
            self.job.module, {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}, path
        )
        load_optimizer_state(self.optimizers, tensors)
        for name, value in state.items():
            setattr(self, name, value)

    def restore_best(self) -> None:
        path = self.folder / "best.safetensors"
        if self.job.validate and self.best_step:
            load_trained(self.job.module, read_checkpoint(path)[0], path)
        self.job.module.eval()

"""The training loop: any module with objectives over a stream of batches.

The random draws of a step (data order, noise, dropout) depend only on the seed and the number of the epoch or step. A
run that is killed and resumed therefore ends with the same weights as one that is not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import AdamW, Optimizer

from c3core.contracts import Objective
from c3core.errors import C3Error
from c3core.io.files import append_text, make_folder
from c3core.runtime.devices import compute_dtype, processes
from c3core.runtime.progress import Bar, progress_bar
from c3core.runtime.signals import deferred_interrupt
from c3core.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from c3core.training.options import TrainingOptions
from c3core.training.run_folder import METRICS, begin_run, truncate_metrics
from c3core.training.seed import seed_of
from c3core.training.task import TrainingResult, TrainingTask
from c3core.training.tracking import Trackers, open_trackers

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"


def train(
    task: TrainingTask,
    options: TrainingOptions,
    folder: Path,
    *,
    recipe: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> TrainingResult:
    """Train a module in place.

    `folder` gets `run.json` (recipe, versions, seed, precision), `metrics.jsonl`, `checkpoint.safetensors`, and
    `best.safetensors` if the task validates. The trackers of the options get the lines of `metrics.jsonl`, too. A
    folder with a checkpoint of an equal recipe is resumed. At the end the module has its best weights, or its last ones
    without validation, and is in evaluation mode.

    Ctrl-C finishes the step and writes a checkpoint; a second Ctrl-C stops at once, and so does the first if several
    processes train. Raises `WrongCall` if the folder holds a run of another recipe, and `C3Error` if training
    fails.
    """
    make_folder(folder)
    trainer = Trainer(task, options, folder, dict(recipe or {}))
    trainer.resume()
    state, total = trainer.state, trainer.total_steps
    # Several processes cannot stop each at its own step: those that go on would wait for the others' gradients.
    interruptible = deferred_interrupt() if trainer.process_count == 1 else nullcontext(lambda: False)
    tracked = options.track if trainer.accelerator.is_main_process and not trainer.done else ()
    with (
        open_trackers(tracked, folder, step=state.step) as trainer.trackers,
        progress_bar(task.label, total=total, done=state.step, quiet=quiet) as bar,
        interruptible as interrupted,
    ):
        trainer.run(bar, interrupted)
        if interrupted():
            raise KeyboardInterrupt(
                f"stopped after step {state.step} of {total}. Run the same again to continue from {folder}."
            )
    trainer.accelerator.wait_for_everyone()  # the main process may still write
    trainer.restore_best()
    best = state.best if task.validate else None
    return TrainingResult(state.step, state.loss, best, state.best_step, trainer.seconds)


class Trainer:
    """One run of the training loop."""

    def __init__(self, task: TrainingTask, options: TrainingOptions, folder: Path, recipe: dict[str, Any]) -> None:
        self.task, self.options, self.folder = task, options, folder
        self.accelerator = processes()
        self.process_count = self.accelerator.num_processes
        self.device = task.device if task.device is not None and self.process_count == 1 else self.accelerator.device
        task.module.to(self.device)
        broadcast([*task.module.state_dict().values()])  # in place: all processes start from the main one's weights
        self.optimizers = [make_optimizer(objective, options) for objective in task.objectives]
        # Each of n processes takes every n-th batch of an epoch, so that a step is on n batches.
        self.steps_per_epoch = task.batches_per_epoch // self.process_count
        if not self.steps_per_epoch:
            raise C3Error(f"{task.batches_per_epoch} batches an epoch are too few for {self.process_count} processes.")
        self.steps_per_evaluation = options.eval_steps if options.eval_strategy == "steps" else self.steps_per_epoch
        self.total_steps = options.steps or max(1, round(options.epochs * self.steps_per_epoch))
        self.state = TrainingState()
        self.trackers = Trackers({})
        self.session_start, self.session_first_step = time.monotonic(), 0
        self.recipe = {
            **recipe,
            "training": options.model_dump(mode="json"),
            "total_steps": self.total_steps,
            "processes": self.process_count,
        }

    # ---- the loop

    def run(self, bar: Bar, interrupted: Callable[[], bool]) -> None:
        """Train until the last step, early stopping, or Ctrl-C."""
        state, options = self.state, self.options
        while not self.done:
            for rows in self._rows_left_in_epoch():
                self.train_step(rows)
                bar.advance(1, loss=state.loss, **self._items_per_second())
                last = state.step == self.total_steps
                if last or state.step % options.logging_steps == 0:
                    self._log_losses()
                if self.task.validate and (last or state.step % self.steps_per_evaluation == 0):
                    self._evaluate(self.task.validate)
                stop = interrupted() or self.done
                if stop or state.step % options.save_steps == 0:
                    self._save()
                if stop:
                    return

    @property
    def done(self) -> bool:
        """Whether all steps are done, or training stops early."""
        patience = self.options.early_stopping_patience
        stopped_early = self.task.validate is not None and self.state.evaluations_since_best >= patience
        return self.state.step >= self.total_steps or stopped_early

    def _rows_left_in_epoch(self) -> Iterator[Any]:
        """The rows of this process's batches that were not trained on in the current epoch."""
        epoch, trained = divmod(self.state.step, self.steps_per_epoch)
        own = islice(self.task.rows(epoch), self.accelerator.process_index, None, self.process_count)
        count = trained
        for rows in islice(own, trained, self.steps_per_epoch):
            yield rows
            count += 1
        if count < self.steps_per_epoch:
            raise C3Error("the data ended before the epoch did. Nothing is lost: start again with the same folder.")

    def train_step(self, rows: Any) -> None:
        """Train each objective whose turn it is on one batch."""
        task, options, state = self.task, self.options, self.state
        seed = seed_of(options.seed, state.step, self.accelerator.process_index)
        torch.manual_seed(seed)  # for dropout and what else the losses draw
        task.module.train()
        # The batch draws with another seed: with the same one, a decoder's first draw would repeat the bridge's noise.
        arguments = task.batch(rows, torch.Generator().manual_seed(seed_of(seed)))
        factor = options.learning_rate_factor(state.step, self.total_steps)
        for objective, optimizer in zip(task.objectives, self.optimizers, strict=True):
            if state.step % objective.every == 0:
                scale_learning_rate(optimizer, factor)
                state.losses[objective.name] = self._update(objective, optimizer, arguments)
        state.loss = state.losses[task.objectives[0].name]
        state.step += 1
        if task.after_step:
            task.after_step(state.step)

    def _update(self, objective: Objective, optimizer: Optimizer, arguments: tuple[Any, ...]) -> float:
        """Step an objective's optimizer once, and return the loss before."""
        optimizer.zero_grad(set_to_none=True)
        with self._autocast(), attention(self.device):
            loss = objective.loss(*arguments)
        if not isinstance(loss, Tensor) or loss.ndim:
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise C3Error(f"the loss of objective {objective.name!r} must be a tensor of shape (), not {shape}.")
        if not torch.isfinite(loss):
            raise C3Error(f"the loss became {loss.item()} at step {self.state.step}. Lower learning_rate.")
        self.accelerator.backward(loss)
        self._average_gradients(objective.parameters)
        if self.options.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(objective.parameters, self.options.max_grad_norm)
        optimizer.step()
        return loss.item()

    def _average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Average gradients over the processes. DDP cannot: it wraps `forward`, and losses are other methods."""
        if self.process_count > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.accelerator.reduce(parameter.grad, "mean")

    def _autocast(self) -> AbstractContextManager[None]:
        """Compute in the precision of the options, if the device can."""
        dtype = compute_dtype(self.options.precision, self.device)
        if dtype is torch.float32:
            return nullcontext()
        # Without the cache: older versions of torch cache casted weights under no_grad too, and then train on them.
        return torch.autocast(self.device.type, dtype, cache_enabled=False)

    # ---- evaluating, logging and saving

    def _evaluate(self, validate: Callable[[], float]) -> None:
        """Validate, and save the weights if they are the best so far."""
        state = self.state
        self.task.module.eval()
        result = inf
        if self.accelerator.is_main_process:  # only there, so that all processes agree when to stop
            with torch.no_grad(), self._autocast():
                result = float(validate())
        if self.process_count > 1:
            result = float(broadcast(torch.tensor(result, device=self.device)))
        self._log({"step": state.step, "validation": result})
        if self.trackers.started and self.task.samples:
            self.trackers.show(self.task.samples(), state.step)
        if isfinite(result) and result < state.best:
            state.best, state.best_step, state.evaluations_since_best = result, state.step, 0
            if self.accelerator.is_main_process:
                save_checkpoint(self.folder / BEST, self.task.module, [], state)
        else:
            state.evaluations_since_best += 1

    def _log_losses(self) -> None:
        """Write the losses and the learning rate of the last step to `metrics.jsonl`."""
        state, options = self.state, self.options
        losses = {"losses": dict(state.losses)} if len(state.losses) > 1 else {}
        rate = options.learning_rate_factor(state.step - 1, self.total_steps) * options.learning_rate
        self._log({"step": state.step, "loss": state.loss, **losses, "learning_rate": rate})

    def _log(self, line: dict[str, Any]) -> None:
        """Append a line to `metrics.jsonl`, and show it in the trackers."""
        if self.accelerator.is_main_process:
            append_text(self.folder / METRICS, json.dumps(line) + "\n")
            self.trackers.log(line)

    def _items_per_second(self) -> dict[str, str]:
        """The rate of this session, for the progress bar."""
        seconds = max(time.monotonic() - self.session_start, 1e-9)
        items = (self.state.step - self.session_first_step) * self.task.batch_size * self.process_count
        return {"items": f"{items / seconds:.1f}/s"} if self.task.batch_size else {}

    @property
    def seconds(self) -> float:
        """Seconds of training in all sessions."""
        return self.state.seconds + time.monotonic() - self.session_start

    def _save(self) -> None:
        """Write the checkpoint from which a run is resumed."""
        if self.accelerator.is_main_process:
            state = replace(self.state, seconds=self.seconds)
            save_checkpoint(self.folder / CHECKPOINT, self.task.module, self.optimizers, state)

    def resume(self) -> None:
        """Load the folder's checkpoint, if there is one, or begin a new run."""
        main, path = self.accelerator.is_main_process, self.folder / CHECKPOINT
        precision = str(compute_dtype(self.options.precision, self.device)).removeprefix("torch.")
        begin_run(self.folder, self.recipe, write=main, seed=self.options.seed, precision=precision)
        if path.exists():
            self.state = load_checkpoint(path, self.task.module, self.optimizers)
        if main:
            truncate_metrics(self.folder, self.state.step)
        self.session_start, self.session_first_step = time.monotonic(), self.state.step

    def restore_best(self) -> None:
        """Load the best weights, and switch the module to evaluation mode."""
        if self.task.validate and self.state.best_step:
            load_checkpoint(self.folder / BEST, self.task.module, [])
        self.task.module.eval()


def attention(device: torch.device) -> AbstractContextManager[None]:
    """Choose how attention is computed while training.

    On a processor, in bfloat16 and over rows as short as sentences, the backward pass of fused attention costs more
    than it saves: up to half of a small network's step (benchmarks/training.py).
    """
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def make_optimizer(objective: Objective, options: TrainingOptions) -> Optimizer:
    """AdamW with the training options; those in `objective.optimizer` replace them.

    Weight decay applies only to matrices and higher dimensions: biases and the weights of norms are not decayed.
    """
    if not objective.parameters:
        raise C3Error(f"objective {objective.name!r} has no parameters to train. Unfreeze some, or leave it out.")
    settings: dict[str, Any] = {
        "lr": options.learning_rate,
        "betas": options.betas,
        "weight_decay": options.weight_decay,
    }
    matrices = [parameter for parameter in objective.parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in objective.parameters if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return AdamW([group for group in groups if group["params"]], fused=True, **{**settings, **objective.optimizer})


def scale_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of every group to `factor` times the one that the optimizer was made with."""
    for group in optimizer.param_groups:
        group["lr"] = factor * optimizer.defaults["lr"]

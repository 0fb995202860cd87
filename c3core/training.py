"""The one training loop: any module with objectives over a stream of batches, resumable at any point.

Every draw of a step (data order, noise, dropout) depends on the seed and the number of the epoch or step alone, so that a run that
was killed and started again ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from math import cos, inf, isfinite, pi
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from c3core.contracts import Objective
from c3core.devices import computes_bfloat16, precision_of
from c3core.errors import C3Error, WrongCall
from c3core.files import append_text, read_json, replacing, write_json, write_text
from c3core.progress import progress
from c3core.validation import checked

Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainingOptions(BaseModel):
    """How to train. The same options for every decoder and for `c3 connect`.

    The number of steps is `steps`, or `epochs` over the data. Warm-up is linear over `warmup` steps, then the learning rate decays
    to zero by `schedule`. Early stopping: the loss on held-out data is taken every `validate_every` steps, the best weights are
    kept, and training ends after `patience` validations without a better one.

    `precision` "auto" is bfloat16 on CUDA and float32 elsewhere. A device that does not compute in bfloat16, as most processors
    do not, trains in float32 even so: to emulate it takes many times as long. (Older torch does not tell; then bfloat16 is taken.)
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    steps: int | None = Field(None, ge=1)
    epochs: float = Field(10.0, gt=0)
    batch_size: int = Field(64, ge=1)
    lr: float = Field(5e-4, gt=0)
    warmup: int = Field(100, ge=0)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**63)
    validation_share: float = Field(0.02, ge=0, lt=1, description="held out of the targets when no validation set is given")
    validate_every: int = Field(500, ge=1)
    patience: int = Field(4, ge=1)
    checkpoint_every: int = Field(500, ge=1)
    log_every: int = Field(50, ge=1)

    @classmethod
    def of(cls, options: TrainingOptions | Mapping[str, Any] | None) -> TrainingOptions:
        """Options as they are, or checked from a mapping; a `C3Error` names a field that is wrong."""
        return options if isinstance(options, TrainingOptions) else checked(cls, options or {}, what="training options")

    def rate(self, step: int, total: int) -> float:
        """The factor on the learning rate at a step (from 0) of `total`: warm-up, then decay to zero."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        done = (step - self.warmup) / max(1, total - self.warmup)
        return 1 - done if self.schedule == "linear" else 0.5 * (1 + cos(pi * done))


@dataclass
class Job:
    """What is trained: a module, its objectives, and where its batches come from.

    `rows(epoch)` yields the rows of each batch in an order that depends on the epoch alone; `batch(rows, generator)` makes the
    arguments of the objectives' losses of them. `validate()` gives a figure that is better when lower.
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


@dataclass
class Result:
    """How a run ended. `best` is the best validation figure (None without validation) and `best_step` where it was reached.

    `seconds` counts what earlier sessions of a resumed run took up to their last checkpoint.
    """

    steps: int
    loss: float
    best: float | None
    best_step: int
    seconds: float


def processes() -> Accelerator:
    """The processes that work together, each of them on its device.

    A `C3Error` where `torchrun` started several that do not know of each other: each would do all of the work, in one folder.
    """
    accelerator = Accelerator()
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > accelerator.num_processes:
        raise C3Error(
            f"{started} processes were started, but they do not work together: on a machine without accelerators,"
            " set ACCELERATE_USE_CPU=true."
        )
    return accelerator


def train(
    job: Job, options: TrainingOptions, folder: Path, *, recipe: Mapping[str, Any] | None = None, quiet: bool = False
) -> Result:
    """Train, in `folder`: `run.json` (recipe, versions, seed, precision), `metrics.jsonl`, and `checkpoint.safetensors` and
    `best.safetensors`.

    A folder with a checkpoint of the same recipe is continued. The module ends with its best weights where there is validation.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise C3Error(f"cannot write to {folder}: {error.strerror}. Choose another folder.") from error
    run = _Run(job, options, folder, dict(recipe or {}))
    run.resume()
    with progress(job.label, total=run.total, done=run.step, quiet=quiet) as bar:
        run.loop(bar)
    run.accelerator.wait_for_everyone()  # the first process may still be writing
    run.restore_best()
    return Result(run.step, run.loss, run.best if job.validate else None, run.best_step, run.took())


class _Run:
    """The state of one run: what a checkpoint holds, and the loop over it."""

    def __init__(self, job: Job, options: TrainingOptions, folder: Path, recipe: dict[str, Any]) -> None:
        self.job, self.options, self.folder = job, options, folder
        self.accelerator = processes()
        job.module.to(self.accelerator.device)
        broadcast([*job.module.state_dict().values()])  # in place: all processes start from the first one's weights
        # Each of n processes takes every n-th batch of an epoch: a step is on n batches.
        self.per_epoch, count = job.batches_per_epoch // self.accelerator.num_processes, self.accelerator.num_processes
        if not self.per_epoch:
            raise C3Error(f"an epoch has {job.batches_per_epoch} batches, too few for {count} processes. Lower batch_size.")
        self.total = options.steps or max(1, round(options.epochs * self.per_epoch))
        self.step, self.loss, self.best, self.best_step, self.without_better = 0, inf, inf, 0, 0
        self.optimizers = [self._optimizer(objective) for objective in job.objectives]
        self.recipe = {**recipe, "training": options.model_dump(mode="json"), "total_steps": self.total, "processes": count}
        self.losses: dict[str, float] = {}  # of each objective, as last stepped; the first one's is `loss`
        self.seconds, self.started = 0.0, time.monotonic()  # of earlier sessions; of this one

    def took(self) -> float:
        """Seconds of training so far, over all sessions."""
        return self.seconds + time.monotonic() - self.started

    def _optimizer(self, objective: Objective) -> torch.optim.Optimizer:
        if not objective.parameters:
            raise C3Error(f"nothing to train: objective {objective.name!r} has no parameters that want a gradient.")
        options = self.options
        own: dict[str, Any] = {"lr": options.lr, "betas": options.betas, "weight_decay": options.weight_decay}
        own |= objective.optimizer
        # Norms, biases and other vectors are not decayed, as is usual.
        decayed = [p for p in objective.parameters if p.ndim >= 2]
        plain = [p for p in objective.parameters if p.ndim < 2]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        return torch.optim.AdamW([group for group in groups if group["params"]], fused=True, **own)

    def loop(self, bar: Any) -> None:
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
                if self.step % options.log_every == 0 or last:
                    self._note({"step": self.step, "loss": self.loss, **self._parts(), "lr": self._rate() * options.lr})
                if job.validate and (self.step % options.validate_every == 0 or last):
                    self._validate()
                if self.step % options.checkpoint_every == 0 or last or self.stopped():
                    self.checkpoint()
                if last or self.stopped() or self.step % per_epoch == 0:
                    break
            else:
                raise C3Error("the data ended before the epoch did. Nothing is lost: start again with the same folder.")
            if self.stopped():
                return

    def stopped(self) -> bool:
        return self.job.validate is not None and self.without_better >= self.options.patience

    def _parts(self) -> dict[str, Any]:
        """The loss of each objective, where there are several."""
        return {"losses": dict(self.losses)} if len(self.losses) > 1 else {}

    def _pace(self, started: float, first: int) -> dict[str, str]:
        """Items a second since this run started, for the display."""
        seconds = max(time.monotonic() - started, 1e-9)
        items = (self.step - first) * self.job.batch_size * self.accelerator.num_processes
        return {"items": f"{items / seconds:.1f}/s"} if self.job.batch_size else {}

    def _rate(self) -> float:
        return self.options.rate(max(0, self.step - 1), self.total)

    def _one_step(self, rows: Any) -> None:
        job, options = self.job, self.options
        seed = seed_of(options.seed, self.step, self.accelerator.process_index)
        torch.manual_seed(seed)  # dropout and the like
        job.module.train()
        arguments = job.batch(rows, torch.Generator().manual_seed(seed))
        rate = options.rate(self.step, self.total)
        for objective, optimizer in zip(job.objectives, self.optimizers, strict=True):
            if self.step % objective.every:
                continue
            for group in optimizer.param_groups:
                group["lr"] = rate * objective.optimizer.get("lr", options.lr)
            optimizer.zero_grad(set_to_none=True)
            with self._autocast(), self._attention():
                loss = objective.loss(*arguments)
            if not torch.isfinite(loss):
                raise C3Error(f"the loss became {loss.item()} at step {self.step}. Lower lr, or use precision float32.")
            self.accelerator.backward(loss)
            self._average(objective.parameters)
            nn.utils.clip_grad_norm_(objective.parameters, options.clip)
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
        device, asked = self.accelerator.device, self.options.precision
        if asked == "auto":
            asked = "bfloat16" if device.type == "cuda" else "float32"
        return asked if computes_bfloat16(device) else "float32"

    def _autocast(self) -> Any:
        dtype = precision_of(self.precision)
        # Older versions of torch cache weights cast without gradient too, and objectives may look before they learn.
        device = self.accelerator.device.type
        return nullcontext() if dtype is torch.float32 else torch.autocast(device, dtype, cache_enabled=False)

    def _attention(self) -> Any:
        # In bfloat16, over rows as short as sentences, the backward pass of the processor's fused attention costs more than it
        # saves: up to half of a small network's step (benchmarks/training.py).
        return sdpa_kernel(SDPBackend.MATH) if self.accelerator.device.type == "cpu" else nullcontext()

    def _validate(self) -> None:
        assert self.job.validate is not None
        self.job.module.eval()
        figure = inf
        if self.accelerator.is_main_process:  # all are to agree when to stop, and each may have normalised by other batches
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
            with replacing(self.folder / f"{name}.safetensors") as temporary:
                save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, {"state": json.dumps(state)})

    def checkpoint(self) -> None:
        tensors = {f"module.{key}": value for key, value in trained_state(self.job.module).items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{number}.{index}.{key}": value for key, value in values.items()}
        state: dict[str, Any] = {"step": self.step, "loss": self.loss, "best": self.best, "best_step": self.best_step}
        state |= {"without_better": self.without_better, "losses": self.losses}
        state["seconds"] = self.took()
        self._save("checkpoint", tensors, state)

    def resume(self) -> None:
        """Continue from the folder's checkpoint, or start it with a `run.json`."""
        described = self.folder / "run.json"
        about = read_json(described) if described.exists() else None
        if about is not None and (not isinstance(about, dict) or about.get("recipe") != json.loads(json.dumps(self.recipe))):
            raise WrongCall(f"{self.folder} holds a run of another recipe. Choose another folder, or delete this one.")
        if about is None and self.accelerator.is_main_process:
            libraries = {name: version(name) for name in ("c3core", "torch", "numpy", "accelerate", "safetensors")}
            versions = {"python": platform.python_version(), **libraries}
            about = {"recipe": self.recipe, "versions": versions, "seed": self.options.seed, "precision": self.precision}
            write_json(described, about)
        path = self.folder / "checkpoint.safetensors"
        tensors, state = _read(path) if path.exists() else ({}, {"step": 0})
        if self.accelerator.is_main_process:
            self._cut_metrics(state["step"])
        if not tensors:
            return
        prefix = "module."
        load_trained(self.job.module, {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}, path)
        for number, optimizer in enumerate(self.optimizers):
            saved: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimizer.{number}."):
                    index, name = key.split(".")[-2:]
                    saved.setdefault(int(index), {})[name] = value
            optimizer.load_state_dict({"state": saved, "param_groups": optimizer.state_dict()["param_groups"]})
        for name, value in state.items():
            setattr(self, name, value)

    def _cut_metrics(self, step: int) -> None:
        """Take out of the metrics what was noted after the checkpoint, and a line that a kill cut: those steps come again."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                noted = json.loads(line)["step"]
            except (ValueError, KeyError, TypeError):
                break
            if noted <= step:
                kept.append(line + "\n")
        write_text(path, "".join(kept))

    def restore_best(self) -> None:
        path = self.folder / "best.safetensors"
        if self.job.validate and self.best_step:
            load_trained(self.job.module, _read(path)[0], path)
        self.job.module.eval()


def seed_of(*parts: int) -> int:
    """One 63-bit seed of several numbers, well mixed (SplitMix64).

    >>> seed_of(0, 1) != seed_of(1, 0)
    True
    """
    value, mask = 0, (1 << 64) - 1
    for part in parts:
        value = (value + part + 0x9E3779B97F4A7C15) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        value ^= value >> 31
    return value >> 1


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that want a gradient, and the persistent buffers: what training changes."""
    frozen = {name for name, parameter in module.named_parameters(remove_duplicate=False) if not parameter.requires_grad}
    seen, state = set[int](), {}
    for name, value in module.state_dict().items():
        if name not in frozen and value.data_ptr() not in seen:  # tied weights are saved once
            if value.numel():
                seen.add(value.data_ptr())
            state[name] = value.detach().cpu()
    return state


def load_trained(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Put what `trained_state` gave back; a `C3Error` names a file of another shape."""
    if missing := trained_state(module).keys() - state.keys():
        raise C3Error(f"{path} belongs to another model (it lacks {min(missing)!r}). Choose another folder.")
    try:
        unexpected = module.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        raise C3Error(f"{path} belongs to a model of another shape ({str(error).splitlines()[-1].strip()}).") from None
    if unexpected:
        raise C3Error(f"{path} belongs to another model (it holds {unexpected[0]!r}). Choose another folder.")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            state = dict(json.loads((file.metadata() or {})["state"]))
        return load_file(path), state
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise C3Error(f"{path} cannot be read ({error}). Delete it to start this run again.") from None

"""Decoders: from conditions to outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from c3core.contracts.reader import Reader
from c3core.errors import C3Error, WrongCall
from c3core.io.validation import checked


@dataclass
class Objective:
    """One loss with its own optimizer: a plain decoder has one, a GAN has several.

    `loss(conditions, batch)` gives a scalar; it is stepped at every `every`-th step; `optimizer` overrides the training
    options for these parameters (`lr`, `betas`, `weight_decay`).
    """

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[..., Tensor]
    every: int = 1
    optimizer: dict[str, Any] = field(default_factory=dict)


class GenerateOptions(BaseModel):
    """Options of `Decoder.generate`; each decoder extends it. Unknown fields are refused by name, infinity and NaN
    everywhere.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Decoder(nn.Module, ABC):
    """Turns conditions into items of one modality. A torch module: its parameters are what training trains."""

    name: ClassVar[str]  # the name that it is registered under
    modality: ClassVar[str]
    frame: ClassVar[Literal["bridge", "native"]] = (
        "bridge"  # native: takes the target's own embeddings, not bridged ones
    )
    Options: ClassVar[type[GenerateOptions]] = GenerateOptions
    validates: ClassVar[bool] = (
        True  # whether a lower `loss` on held-out items means a better decoder; a GAN's does not
    )
    suffix: ClassVar[str | None] = None  # of the file that an output is written to; None: it is a line of text
    training: bool
    condition_dim: int
    license: str = "unknown"  # of pretrained weights; "own" when trained from scratch
    settings: BaseModel | None = None  # what it is made of and trained with: a run is continued with the same alone
    given: Mapping[str, Any] = MappingProxyType({})  # what `load_decoder` gave it; counts where it has no `settings`
    tunable: ClassVar[frozenset[str]] = frozenset()  # those fields of `settings` that another training may change

    @abstractmethod
    def reader(self) -> Reader:
        """The reader that makes a training target of a source."""

    def tune(self, options: Mapping[str, Any]) -> None:
        """Other values of `tunable` settings for the training that follows. Raises `C3Error` where any other field
        would change.
        """
        before, settings = self.settings, self.settings
        if before is not None:
            settings = checked(
                type(before), {**before.model_dump(), **options}, what=f"options of decoder {self.name!r}"
            )
        for option in options:
            stays = before is not None and getattr(before, option) == getattr(settings, option)
            if option not in self.tunable and not stays:
                may = ", ".join(sorted(self.tunable)) or "nothing"
                raise WrongCall(
                    f"decoder {self.name!r} keeps its {option} when it is trained further. What may change: {may}."
                )
        self.settings = settings

    def prepare(self, targets: Iterable[Any]) -> None:
        """Called once before training with a stream of read targets: learn a vocabulary, say. By default nothing.

        Torch has been seeded: new weights are drawn here, so that a run that is started again starts from the same.
        """

    def watch(self, conditions_of: Callable[[Tensor], Tensor]) -> None:
        """Called once before training with a way to look at the decoder's own outputs: `conditions_of(outputs)` gives
        their conditions (n, condition_dim), with gradient (`Encoder.embed_raw`, unit norm, the bridge). By default
        nothing.
        """

    @abstractmethod
    def collate(self, targets: Sequence[Any]) -> Any:
        """Read targets as one batch for `loss`, on the decoder's device."""

    @abstractmethod
    def loss(self, conditions: Tensor, batch: Any) -> Tensor:
        """The scalar training loss of (n, condition_dim) conditions and their n targets; `check` refuses any other
        numbers.
        """

    def objectives(self) -> list[Objective]:
        """What training steps: by default one objective over `loss` and every parameter that wants a gradient.

        A pretrained decoder with nothing to train gives []: then `Pipeline.fit` fits the bridge alone.
        """
        return [Objective("loss", [p for p in self.parameters() if p.requires_grad], self.loss)]

    def after_step(self, step: int) -> None:
        """Called after each training step: moving averages and the like. By default nothing.

        What it changes must be buffers, or parameters that want a gradient: checkpoints hold these alone.
        """

    @abstractmethod
    def generate(
        self, conditions: Tensor, options: GenerateOptions | None = None, *, generator: torch.Generator | None = None
    ) -> list[Any]:
        """One output a condition, in order. Draws come from `generator` alone; (0, condition_dim) gives [].

        Each output is a source that the space's encoder of this modality reads, so that `evaluate` and `best_of` can
        look at it: text as a string, a picture as an array.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything `load` needs into an existing folder: JSON, text and safetensors, never pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The decoder that `save` wrote."""

    def write(self, output: Any, path: Path) -> None:
        """Write one output to a file of `suffix`, in a folder that is there; decoders with a suffix implement it.

        `c3core.io.files.atomic_write` writes it whole or not at all.
        """
        raise C3Error(f"decoder {self.name!r} prints its outputs; it writes no files (asked for {path}).")

    def write_overview(self, rows: Sequence[Sequence[Any]], path: Path) -> bool:
        """Write one file that shows several outputs of each input (a row an input), where the decoder can: whether it
        did.
        """
        return False

    def options(self, options: GenerateOptions | Mapping[str, Any] | None) -> Any:
        """Options as this decoder's `Options`; a `C3Error` names a field that is wrong."""
        if isinstance(options, self.Options):
            return options
        values = options.model_dump(exclude_unset=True) if isinstance(options, BaseModel) else options
        return checked(self.Options, {} if values is None else values, what=f"options of decoder {self.name!r}")

    def check(self, conditions: Tensor, targets: int | None = None) -> Tensor:
        """Conditions on the decoder's device, after a check of their shape and that they are finite.

        A loss also gives the number of its `targets`, of which each must have one condition.
        """
        if not isinstance(conditions, Tensor) or not conditions.is_floating_point():
            what = str(conditions.dtype) if isinstance(conditions, Tensor) else type(conditions).__name__
            raise C3Error(f"decoder {self.name!r} takes conditions as a floating-point tensor, got {what}.")
        if conditions.ndim != 2 or conditions.shape[1] != self.condition_dim:
            raise C3Error(
                f"decoder {self.name!r} takes conditions of shape (n, {self.condition_dim}),"
                f" got {tuple(conditions.shape)}. Use the space it was trained with."
            )
        if targets is not None and len(conditions) != targets:
            raise C3Error(
                f"decoder {self.name!r} got {len(conditions)} conditions for {targets} targets. Give one a target."
            )
        if not torch.isfinite(conditions).all():
            raise C3Error("conditions hold NaN or infinite values. Check the embeddings that they come from.")
        parameter = next(self.parameters(), None)
        return conditions if parameter is None else conditions.to(parameter.device)

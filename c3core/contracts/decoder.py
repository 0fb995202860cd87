"""Decoders: from conditions to outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from c3core.contracts.decoder_options import DecoderSettings, DecoderState, GenerationOptions, read_saved, write_saved
from c3core.contracts.reader import Reader
from c3core.errors import C3Error, WrongCall
from c3core.io.files import refuse_pickles
from c3core.io.validation import checked
from c3core.io.weights import read_tensors, write_tensors
from c3core.runtime.devices import device_of

WEIGHTS = "weights.safetensors"


@dataclass
class Objective:
    """A loss with its own optimizer. A plain decoder has one objective, a GAN has several.

    `loss(conditions, batch)` returns a scalar. It is stepped at every `every`-th step. `optimizer` holds options that
    replace those of the training for these parameters (`lr`, `betas`, `weight_decay`).
    """

    name: str
    parameters: list[nn.Parameter] = field(repr=False)
    loss: Callable[..., Tensor] = field(repr=False)
    every: int = 1
    optimizer: dict[str, Any] = field(default_factory=dict)


class OutputEncoder(Protocol):
    """Encodes a decoder's own outputs: the space's encoder of the decoder's modality, then the bridge.

    The pipeline gives one to its decoder. Losses on outputs, guidance and `best_of` use it.
    """

    def conditions(self, outputs: Sequence[Any]) -> Tensor:
        """Return the conditions (n, condition_dim) of n outputs of `generate`: NaN for those that cannot be read."""

    def with_gradient(self, batch: Tensor) -> Tensor:
        """Return the conditions (n, condition_dim) of a batch as `Encoder.embed_raw` takes it, with gradient."""

    def inputs(self, count: int) -> Tensor:
        """Return the conditions (count, condition_dim) of random items of other modalities that the fit was given.

        They are drawn from torch's global generator, which training seeds at each step.
        """


class Decoder(nn.Module, ABC):
    """Turns conditions into items of one modality. It is a torch module: training trains its parameters.

    A plugin writes `reader`, `_build`, `collate`, `loss` and `_generate`. If its decoder has options, it also names its
    `settings_class` and its `options_class`. Everything else has a default.
    """

    name: ClassVar[str]  # the name that it is registered under
    modality: ClassVar[str]
    frame: ClassVar[Literal["bridge", "native"]] = "bridge"  # native: conditions are like the target's own embeddings
    suffix: ClassVar[str | None] = None  # of the file that an output is written to; None: an output is a line of text
    trainable: bool = True  # False for a pretrained decoder with nothing to train
    memorizes: ClassVar[bool] = False  # True, beside trainable = False, if `fit` gives it items to keep: `memorize`
    trainable_options: ClassVar[frozenset[str]] = frozenset()  # the settings that `reconfigure` may change
    settings_class: ClassVar[type[DecoderSettings]] = DecoderSettings
    options_class: ClassVar[type[GenerationOptions]] = GenerationOptions
    state_class: ClassVar[type[DecoderState]] = DecoderState
    license: str = "unknown"  # of the weights; "own" if they are trained from scratch
    output_encoder: OutputEncoder | None = None  # set by the pipeline, before training and before generating
    training: bool
    settings: DecoderSettings

    def __init__(self, condition_dim: int, *, device: str | torch.device = "auto", **settings: Any) -> None:
        super().__init__()
        if condition_dim < 1:
            raise WrongCall(f"condition_dim must be at least 1, got {condition_dim}.")
        self.condition_dim = condition_dim
        self.settings = self._checked_settings(settings)
        self.prepared = not (self.trainable or self.memorizes)
        self._on_device: Tensor  # empty: it moves with the module, so that `device` holds before there are weights
        self.register_buffer("_on_device", torch.empty(0, device=device_of(device)), persistent=False)

    def __repr__(self) -> str:
        count = sum(parameter.numel() for parameter in self.parameters())
        sizes = f"condition_dim={self.condition_dim}, {count:,} parameters, device={self.device}"
        return f"{type(self).__name__}({self.name}, makes {self.modality}, {sizes})"

    @property
    def device(self) -> torch.device:
        """The device that the decoder is on. `to` moves it."""
        return self._on_device.device

    @property
    def validates(self) -> bool:
        """Whether a lower `loss` on held-out items means a better decoder. That of a GAN does not."""
        return True

    # ---- training

    @abstractmethod
    def reader(self) -> Reader:
        """Return the reader that makes a training target of a source."""

    def prepare(self, targets: Iterable[Any]) -> None:
        """Make the network, once. A decoder that was trained or loaded stays as it is.

        `targets` is a stream of read targets, to learn a vocabulary from. Weights are drawn from torch's global
        generator, so that a run that starts again starts from the same weights.
        """
        if not (self.prepared or self.memorizes):
            self._build(targets)
            self.to(self.device)
            self.prepared = True

    def _build(self, targets: Iterable[Any]) -> None:
        """Make the parameters and buffers. `targets` is a stream of read targets; `load` gives none."""

    def memorize(self, rows: Iterable[tuple[Tensor, Sequence[Any]]]) -> None:
        """Keep the items of a fit, for a decoder that `memorizes` them instead of being trained.

        `rows` gives conditions (n, condition_dim) as in use, without noise, with their n read targets, batch by batch.
        They replace those of an earlier fit. Random numbers come from torch's global generator.
        """
        self._memorize(rows)
        self.to(self.device)
        self.prepared = True

    def _memorize(self, rows: Iterable[tuple[Tensor, Sequence[Any]]]) -> None:
        """Make the buffers that hold what `memorize` was given. A decoder that `memorizes` implements it."""
        raise C3Error(f"decoder {self.name!r} keeps no items.")

    def nearest(self, conditions: Tensor, count: int) -> list[list[tuple[Any, float]]]:
        """Return the `count` kept items that are nearest to each of the conditions (n, condition_dim), with cosines.

        The nearest come first. By default there are none: only a decoder that `memorizes` keeps items.
        """
        return [[] for _ in conditions]

    @abstractmethod
    def collate(self, targets: Sequence[Any]) -> Any:
        """Return read targets as one batch for `loss`, on the decoder's device."""

    @abstractmethod
    def loss(self, conditions: Tensor, batch: Any) -> Tensor:
        """Return the training loss, a scalar, of conditions (n, condition_dim) and a batch of n targets.

        Call `check_conditions(conditions, n)` first.
        """

    def objectives(self) -> list[Objective]:
        """Return what training steps, after `prepare`. By default `loss` over all parameters that want a gradient."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [Objective("loss", parameters, self.loss)] if self.trainable else []

    def after_step(self, step: int) -> None:
        """Do what follows each training step, such as moving an average of the weights. By default nothing.

        Change only buffers and parameters that want a gradient: a checkpoint holds no others.
        """

    def reconfigure(self, changes: Mapping[str, Any]) -> None:
        """Change settings for a further training: `generation`, and those in `trainable_options`.

        Raises `C3Error` for another one.
        """
        settings = self._checked_settings({**self.settings.model_dump(), **changes})
        for name in changes.keys() - {"generation"}:
            if name not in self.trainable_options and getattr(settings, name) != getattr(self.settings, name):
                may = ", ".join(sorted(self.trainable_options)) or "nothing"
                raise WrongCall(f"decoder {self.name!r} keeps its {name} in further training; {may} may change.")
        self.settings = settings

    def _checked_settings(self, values: Mapping[str, Any]) -> DecoderSettings:
        settings = checked(self.settings_class, values, what=f"settings of decoder {self.name!r}")
        checked(self.options_class, settings.generation, what=f"generation in the settings of decoder {self.name!r}")
        return settings

    # ---- generating

    def generate(
        self,
        conditions: Tensor,
        options: GenerationOptions | Mapping[str, Any] | None = None,
        *,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
    ) -> list[Any]:
        """Return one output for each of the conditions (n, condition_dim), in order.

        Runs in eval mode and without gradient, in batches of `options.batch_size`. Random numbers come from `generator`
        (None: torch's global one; several: one for each row, as `row_generators` gives them), and an output does not
        depend on the batch that it is in. Each output is a source that the space's encoder of this modality reads: text
        as a string, a picture as an array.
        """
        chosen = self.check_options(options)
        conditions = self.check_conditions(conditions).float()
        if generator is None or isinstance(generator, torch.Generator):
            generator = self.row_generators(len(conditions), chosen, generator)
        generators, outputs = list(generator), list[Any]()
        with torch.inference_mode(), _eval_mode(self):
            for start in range(0, len(conditions), chosen.batch_size):
                rows = slice(start, start + chosen.batch_size)
                outputs += self._checked_outputs(conditions[rows], chosen, generators[rows])
        return outputs

    @abstractmethod
    def _generate(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> list[Any]:
        """Return one output for each of the conditions (n, condition_dim): float32, n ≥ 1, on the decoder's device.

        `options` is an `options_class`. Draw what is random for a row from its generator, which is on the CPU.
        """

    def _checked_outputs(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> list[Any]:
        outputs = self._generate(conditions, options, generators)
        if not isinstance(outputs, list) or len(outputs) != len(conditions):
            what = f"{len(outputs)} outputs" if isinstance(outputs, list) else f"a {type(outputs).__name__}"
            raise C3Error(f"decoder {self.name!r} gave {what} for {len(conditions)} conditions, not a list of as many.")
        return outputs

    def row_generators(self, count: int, options: Any, generator: torch.Generator | None) -> list[torch.Generator]:
        """Return a generator for each of `count` rows, on the CPU, seeded row by row from `generator`."""
        device = "cpu" if generator is None else generator.device
        seeds = [int(torch.randint(2**62, (), generator=generator, device=device)) for _ in range(count)]
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    def skip(self, count: int, options: Any, generator: torch.Generator) -> None:
        """Draw from `generator` what `count` outputs would draw, so that the next output is the same as after them.

        `options` is an `options_class`. A decoder that changes how rows draw their random numbers overrides it.
        """
        torch.randint(2**62, (count,), generator=generator, device=generator.device)

    def write(self, output: Any, path: Path) -> None:
        """Write one output to a file of `suffix`, in an existing folder. A decoder with a suffix implements it.

        `c3core.io.atomic_write` writes a file whole or not at all.
        """
        raise C3Error(f"decoder {self.name!r} prints its outputs and writes no files (asked for {path}).")

    def write_overview(self, rows: Sequence[Sequence[Any]], path: Path) -> bool:
        """Write one file that shows the outputs of several inputs, a row for each input. Return False if it cannot."""
        return False

    # ---- checks

    def check_options(self, options: GenerationOptions | Mapping[str, Any] | None) -> Any:
        """Return options as this decoder's `options_class`, with those of its settings where none are given.

        Raises `C3Error` with the name of a wrong one.
        """
        if isinstance(options, self.options_class):
            return options
        given = options.model_dump(exclude_unset=True) if isinstance(options, GenerationOptions) else options or {}
        what = f"options of decoder {self.name!r}"
        if isinstance(given, Mapping):  # `checked` refuses anything else
            given = {**self.settings.generation, **given}
        return checked(self.options_class, given, what=what)

    def check_conditions(self, conditions: Tensor, targets: int | None = None) -> Tensor:
        """Return the conditions on the decoder's device, after a check of their shape and that they are finite.

        A loss also gives the number of its `targets`, each of which needs one condition.
        """
        self._check_prepared()
        if not isinstance(conditions, Tensor) or not conditions.is_floating_point():
            what = str(conditions.dtype) if isinstance(conditions, Tensor) else type(conditions).__name__
            raise WrongCall(f"decoder {self.name!r} takes conditions as a floating-point tensor, got {what}.")
        if conditions.ndim != 2 or conditions.shape[1] != self.condition_dim:
            raise WrongCall(
                f"decoder {self.name!r} takes conditions of shape (n, {self.condition_dim}),"
                f" got {tuple(conditions.shape)}. Use the space that it was trained with."
            )
        if targets is not None and len(conditions) != targets:
            raise WrongCall(f"decoder {self.name!r} got {len(conditions)} conditions for {targets} targets.")
        if not torch.isfinite(conditions).all():
            raise C3Error("conditions hold NaN or infinite values. Check the embeddings that they come from.")
        return conditions.to(self.device)

    def _check_prepared(self) -> None:
        if not self.prepared:
            what, call = ("items", "memorize") if self.memorizes else ("weights", "prepare")
            raise C3Error(f"decoder {self.name!r} has no {what} yet: call `{call}`, or fit its pipeline.")

    # ---- files

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs into an existing folder: JSON, text and safetensors, never pickle."""
        self._check_prepared()
        self._save_weights(Path(folder))
        write_saved(Path(folder), self.condition_dim, self.license, self.settings, self._state())

    @classmethod
    def load(cls, folder: Path, *, device: str | torch.device = "auto") -> Self:
        """Return the decoder that `save` wrote, in eval mode.

        Raises `C3Error` if a file is missing, broken, pickled or of another size.
        """
        folder = Path(folder)
        saved = read_saved(folder, cls.name, cls.settings_class, cls.state_class)
        refuse_pickles(folder)
        parts = cls._load_parts(folder, saved.settings)
        decoder = cls(saved.condition_dim, device=device, **{**saved.settings.model_dump(), **parts})
        decoder.license = saved.license
        decoder._load_weights(folder, saved.state)
        decoder.prepared = True
        return decoder.to(decoder.device).eval()

    def _save_weights(self, folder: Path) -> None:
        """Write the weights into a folder. By default all of the module's, into one file."""
        write_tensors(folder / WEIGHTS, self.state_dict())

    def _load_weights(self, folder: Path, state: Any) -> None:
        """Make the network and read what `_save_weights` wrote. `state` is what `_state` returned."""
        self._build(())
        read_tensors(folder / WEIGHTS, self)

    def _state(self) -> DecoderState:
        """Return the numbers and words that `load` needs beside settings and weights, as a `state_class`."""
        return self.state_class()

    @classmethod
    def _load_parts(cls, folder: Path, settings: Any) -> Mapping[str, Any]:
        """Return arguments of `__init__` that are saved as files, such as a pretrained model. By default none."""
        return {}


@contextmanager
def _eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a module and its parts in eval mode inside, and each back into its own mode afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode

"""The contracts: what a plugin author implements.

    source ──Reader──▶ item ──Encoder──▶ embedding ──Bridge──▶ condition ──Decoder──▶ output

A `Space` holds the encoders whose embeddings may be compared, one per modality. The core knows no modality by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from c3core.errors import C3Error, WrongCall, near
from c3core.refusing import LEAST_NORM, embed_taken
from c3core.validation import checked


@dataclass(frozen=True)
class BadItem:
    """A source that gave no item, or no embedding, and why."""

    source: str
    why: str

    def __str__(self) -> str:
        return f"{self.source.strip() or '(empty)'}: {self.why}"


def name_of(source: Any) -> str:
    """How a source is called where there is only text: a path or sentence by itself, an object by its type."""
    return str(source) if isinstance(source, str | Path) else f"<{type(source).__name__}>"


class BadItems(C3Error):
    """Raised by `Encoder.encode` when sources could not be read.

    `.bad` lists (position, `BadItem`); `.embeddings` holds the rest, in order.
    """

    def __init__(self, bad: Sequence[tuple[int, BadItem]], embeddings: Tensor) -> None:
        self.bad, self.embeddings = list(bad), embeddings
        first = "; ".join(str(item) for _, item in self.bad[:3])
        more = f" and {len(self.bad) - 3} more" if len(self.bad) > 3 else ""
        super().__init__(f"{len(self.bad)} source(s) could not be read: {first}{more}. Mend or leave them out.")


class Reader(ABC):
    """Makes an item of a source. Holds no model, so that it can be sent to a worker process."""

    @abstractmethod
    def read(self, source: Any) -> Any:
        """The item of one source. Raise any exception with a message that says why not."""

    def __call__(self, source: Any) -> Any | BadItem:
        """The item, or a `BadItem` that says why not: one bad source never ends a batch."""
        try:
            return self.read(source)
        except Exception as error:  # a codec may raise anything on a broken file
            return BadItem(name_of(source), str(error) or type(error).__name__)


@dataclass(frozen=True)
class Encoded:
    """One batch of a stream of sources.

    `index` (n,) are the positions of the good sources in the stream, `embeddings` (n, dim) float32 of unit norm,
    `norms` (n,) float32 the norms before normalising, `bad` the positions of the other sources with their reasons; `modality`
    and `fingerprint` are the encoder's.
    """

    index: list[int]
    embeddings: Tensor
    norms: Tensor
    bad: list[tuple[int, BadItem]]
    modality: str
    fingerprint: str


class Encoder(ABC):
    """Turns items of one modality into embeddings of one space."""

    space: str
    modality: str
    dim: int
    fingerprint: str  # of weights and preprocessing: a store or a pipeline refuses another encoder's embeddings
    licence: str = "unknown"  # of the weights
    dtype: torch.dtype = torch.float32  # of the model's arithmetic; unit embeddings are float32

    @abstractmethod
    def reader(self) -> Reader:
        """The reader that makes this encoder's items. Holds no model, can be sent to a worker process."""

    @abstractmethod
    def embed(self, items: Sequence[Any]) -> Tensor:
        """(n, dim) embeddings in the model's own scale, on the model's device, differentiable."""

    def embed_raw(self, batch: Tensor) -> Tensor:
        """(n, dim) embeddings of what a decoder made, with gradient, in the model's own scale.

        Pictures are (n, 3, h, w), RGB in 0 .. 1. A loss on a decoder's outputs needs this; few others do, so that the base refuses.
        """
        raise C3Error(
            f"the {self.modality} encoder of {self.space!r} gives no gradient to its input. Leave out the losses that ask for it."
        )

    def embed_items(self, items: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Unit embeddings (n, dim) and norms (n,), float32 on the CPU, without gradient; (0, dim) of an empty batch."""
        if not len(items):
            return torch.zeros(0, self.dim), torch.zeros(0)
        with torch.no_grad():
            raw = self.embed(items).float().cpu()
        norms = raw.norm(dim=-1)
        return raw / norms.clamp_min(LEAST_NORM).unsqueeze(-1), norms

    def encode_batches(self, sources: Iterable[Any], *, batch_size: int = 64) -> Iterator[Encoded]:
        """Read, embed and normalise a stream of sources, batch by batch; bad ones are reported beside the good."""
        if isinstance(sources, str):
            raise C3Error("sources must be a list, not one string. Write [source].")
        if batch_size < 1:
            raise C3Error(f"batch_size must be at least 1, got {batch_size}.")
        reader, start, stream = self.reader(), 0, iter(sources)
        while chunk := list(islice(stream, batch_size)):
            read = [reader(source) for source in chunk]
            items = [(i, item) for i, item in enumerate(read) if not isinstance(item, BadItem)]
            embeddings, norms, refused = embed_taken(self, [item for _, item in items])
            for place, why in refused.items():
                i = items[place][0]
                read[i] = BadItem(name_of(chunk[i]), why)
            good = [start + i for i, item in enumerate(read) if not isinstance(item, BadItem)]
            bad = [(start + i, item) for i, item in enumerate(read) if isinstance(item, BadItem)]
            yield Encoded(good, embeddings, norms, bad, self.modality, self.fingerprint)
            start += len(chunk)

    def encode(self, sources: Iterable[Any], *, batch_size: int = 64) -> Tensor:
        """(n, dim) float32 of unit norm, in the order of the sources.

        Raises `BadItems`, after all were tried, if any was bad.
        """
        batches = list(self.encode_batches(sources, batch_size=batch_size))
        embeddings = torch.cat([batch.embeddings for batch in batches]) if batches else torch.zeros(0, self.dim)
        bad = [entry for batch in batches for entry in batch.bad]
        if bad:
            raise BadItems(bad, embeddings)
        return embeddings


class Space:
    """Encoders whose embeddings may be compared: a dimension and one encoder per modality, loaded when first asked for.

    `spec` is what `load_space` takes to load it again; `folder` is set for a space that lives in a folder (`c3 connect`
    wrote it), so that a pipeline can carry it along.
    """

    def __init__(
        self,
        spec: str,
        dim: int,
        encoders: Mapping[str, Encoder | Callable[[], Encoder]],
        *,
        folder: Path | None = None,
    ) -> None:
        self.spec, self.dim, self.folder = spec, dim, folder
        self._encoders = dict(encoders)

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self._encoders)

    def encoder(self, modality: str) -> Encoder:
        """The encoder of a modality; a `C3Error` names the known ones."""
        if modality not in self._encoders:
            raise WrongCall(f"space {self.spec!r} has no modality {modality!r}: {near(modality, self._encoders)}")
        found = self._encoders[modality]
        if not isinstance(found, Encoder):
            found = self._encoders[modality] = found()
        if (found.modality, found.dim) != (modality, self.dim):
            raise C3Error(
                f"space {self.spec!r} gives for {modality} an encoder of {found.modality} with {found.dim} dimensions, not of"
                f" {modality} with {self.dim}. The two must say the same."
            )
        return found

    def encode(self, sources: Iterable[Any], modality: str, *, batch_size: int = 64) -> Tensor:
        """`encoder(modality).encode(sources)`: (n, dim) float32 of unit norm."""
        return self.encoder(modality).encode(sources, batch_size=batch_size)


class Bridge(ABC):
    """The map from embeddings to conditions: fitted on uni-modal embeddings, different at train and at use.

    What `fit` and `extend` take for each modality: a tensor (n, dim), an iterable of such tensors, a `Store`, or
    `Moments`.
    """

    name: str
    needs: frozenset[str]  # what one streaming pass must gather: "mean", "variance", "covariance", "sample"
    target: str | None  # the modality that the decoder is trained on

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """The modalities that the bridge was fitted on."""

    @abstractmethod
    def fit(self, embeddings: Mapping[str, Any], *, target: str | None = None) -> Self:
        """Gather what each modality needs, in one pass over each."""

    @abstractmethod
    def extend(self, embeddings: Mapping[str, Any]) -> Self:
        """One more modality later; the rest stays as it is."""

    @abstractmethod
    def train_condition(self, e: Tensor, modality: str, *, generator: torch.Generator | None = None) -> Tensor:
        """(n, dim) embeddings to conditions for training, with noise drawn from `generator`."""

    @abstractmethod
    def condition(self, e: Tensor, modality: str) -> Tensor:
        """(n, dim) embeddings to conditions for use; no randomness."""

    def native(self) -> Bridge:
        """This bridge for a decoder of frame "native": conditions like the target's own embeddings. The base cannot."""
        raise C3Error(f"bridge {self.name!r} has no native form, which this decoder needs. Use a preset of `c3 bridges`.")

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What rebuilds the bridge, as JSON values; its statistics are in `state`."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The fitted statistics by name, as tensors that safetensors can hold."""

    @classmethod
    @abstractmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """The bridge that `config` and `state` describe."""


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
    """Options of `Decoder.generate`; each decoder extends it. Unknown fields are refused by name, infinity and NaN everywhere."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Decoder(nn.Module, ABC):
    """Turns conditions into items of one modality. A torch module: its parameters are what training trains."""

    name: ClassVar[str]  # the name that it is registered under
    modality: ClassVar[str]
    frame: ClassVar[Literal["bridge", "native"]] = "bridge"  # native: takes the target's own embeddings, not bridged ones
    Options: ClassVar[type[GenerateOptions]] = GenerateOptions
    validates: ClassVar[bool] = True  # whether a lower `loss` on held-out items means a better decoder; a GAN's does not
    suffix: ClassVar[str | None] = None  # of the file that an output is written to; None: it is a line of text
    training: bool
    condition_dim: int
    licence: str = "unknown"  # of pretrained weights; "own" when trained from scratch
    settings: BaseModel | None = None  # what it is made of and trained with: a run is continued with the same alone
    given: Mapping[str, Any] = MappingProxyType({})  # what `load_decoder` gave it; counts where it has no `settings`
    tunable: ClassVar[frozenset[str]] = frozenset()  # those fields of `settings` that another training may change

    @abstractmethod
    def reader(self) -> Reader:
        """The reader that makes a training target of a source."""

    def tune(self, options: Mapping[str, Any]) -> None:
        """Other values of `tunable` settings for the training that follows. Raises `C3Error` where any other field would change."""
        before, settings = self.settings, self.settings
        if before is not None:
            settings = checked(type(before), {**before.model_dump(), **options}, what=f"options of decoder {self.name!r}")
        for option in options:
            stays = before is not None and getattr(before, option) == getattr(settings, option)
            if option not in self.tunable and not stays:
                may = ", ".join(sorted(self.tunable)) or "nothing"
                raise WrongCall(f"decoder {self.name!r} keeps its {option} when it is trained further. What may change: {may}.")
        self.settings = settings

    def prepare(self, targets: Iterable[Any]) -> None:
        """Called once before training with a stream of read targets: learn a vocabulary, say. By default nothing.

        Torch has been seeded: new weights are drawn here, so that a run that is started again starts from the same.
        """

    def watch(self, conditions_of: Callable[[Tensor], Tensor]) -> None:
        """Called once before training with a way to look at the decoder's own outputs: `conditions_of(outputs)` gives their
        conditions (n, condition_dim), with gradient (`Encoder.embed_raw`, unit norm, the bridge). By default nothing.
        """

    @abstractmethod
    def collate(self, targets: Sequence[Any]) -> Any:
        """Read targets as one batch for `loss`, on the decoder's device."""

    @abstractmethod
    def loss(self, conditions: Tensor, batch: Any) -> Tensor:
        """The scalar training loss of (n, condition_dim) conditions and their n targets; `check` refuses any other numbers."""

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

        Each output is a source that the space's encoder of this modality reads, so that `evaluate` and `best_of` can look at it:
        text as a string, a picture as an array.
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

        `c3core.files.replacing` writes it whole or not at all.
        """
        raise C3Error(f"decoder {self.name!r} prints its outputs; it writes no files (asked for {path}).")

    def write_overview(self, rows: Sequence[Sequence[Any]], path: Path) -> bool:
        """Write one file that shows several outputs of each input (a row an input), where the decoder can: whether it did."""
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
            raise C3Error(f"decoder {self.name!r} got {len(conditions)} conditions for {targets} targets. Give one a target.")
        if not torch.isfinite(conditions).all():
            raise C3Error("conditions hold NaN or infinite values. Check the embeddings that they come from.")
        parameter = next(self.parameters(), None)
        return conditions if parameter is None else conditions.to(parameter.device)

"""The C3 bridge: a collapse, then (while training) a corrupt, then a rescale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from c3core.bridges.collapse import COLLAPSES, Collapse, Mean, Memory
from c3core.bridges.corrupt import CORRUPTS, Corrupt, Gaussian
from c3core.bridges.fitted import Statistics
from c3core.bridges.part import made
from c3core.bridges.rescale import RESCALES, Native, Rescale, Unit
from c3core.contracts import Bridge
from c3core.errors import C3Error
from c3core.io.validation import checked
from c3core.statistics.moments import SAMPLE_SIZE, Moments


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    collapse: dict[str, Any]
    corrupt: dict[str, Any]
    rescale: dict[str, Any]
    target: str | None = None
    modalities: list[str] = []
    fingerprints: dict[str, str] = {}


class C3Bridge(Bridge):
    """Algorithm 1 of the C3 paper and its relatives. The default is `c3` of its COCO code.

    train: rescale(corrupt(collapse(e)))    use: rescale(collapse(e))

    Each part is an object (`Mean()`), its kind ("mean") or its config ({"kind": "gaussian", "std": 0.1}). What must
    be gathered (`needs`) follows from the parts; a bridge that needs nothing takes any modality, fitted or not.
    Conditions keep the dtype and the device of the embeddings, which are never changed.

    >>> bridge = C3Bridge(collapse="mean", corrupt="none", rescale="none")
    >>> bridge = bridge.fit({"text": torch.tensor([[1.0, 0.0], [3.0, 0.0]]), "image": torch.tensor([[0.0, 5.0]])})
    >>> bridge.condition(torch.tensor([[1.0, 6.0]]), "image").tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self,
        collapse: Collapse | str | Mapping[str, Any] = Mean(),  # noqa: B008  parts are frozen
        corrupt: Corrupt | str | Mapping[str, Any] = Gaussian(),  # noqa: B008
        rescale: Rescale | str | Mapping[str, Any] = Unit(),  # noqa: B008
        *,
        name: str = "c3",
    ) -> None:
        self.collapse = made("collapse", collapse, COLLAPSES)
        self.corrupt = made("corrupt", corrupt, CORRUPTS)
        self.rescale = made("rescale", rescale, RESCALES)
        self.name = name
        self.fingerprints: dict[str, str] = {}  # of each modality's encoder, where the embeddings came with one
        self._statistics = Statistics()

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What one pass over each modality's embeddings must gather."""
        return self._of_each | self._of_target

    @property
    def _of_each(self) -> frozenset[str]:
        return self.collapse.of_each | self.corrupt.of_each | self.rescale.of_each

    @property
    def _of_target(self) -> frozenset[str]:
        return self.collapse.of_target | self.corrupt.of_target | self.rescale.of_target

    @property
    def target(self) -> str | None:  # type: ignore[override]
        """The modality that the decoder is trained on."""
        return self._statistics.target

    @property
    def modalities(self) -> tuple[str, ...]:
        return self._statistics.modalities

    def __repr__(self) -> str:
        return f"C3Bridge({self.collapse}, {self.corrupt}, {self.rescale}, name={self.name!r})"

    def fit(self, embeddings: Mapping[str, Any], *, target: str | None = None) -> Self:
        """Gather what each modality needs, in one pass over each; what was fitted before is forgotten.

        `embeddings` maps a modality to a tensor (n, d), an iterable of tensors, a store or `Moments`. `target` is the
        modality that the decoder is trained on; with one modality it need not be said. Raises `C3Error` if a part
        needs the target and it is missing, or if the embeddings are of different dimensions, empty, NaN or infinite.
        """
        if target is None and len(embeddings) == 1:
            (target,) = embeddings
        if self._of_target and (target is None or target not in embeddings):
            which = f"embeddings of {target!r}, its target" if target else "target=…, what the decoder learns from"
            raise C3Error(
                f"bridge {self.name!r} needs {which}: it reads the target's {', '.join(sorted(self._of_target))}."
            )
        fitted = Statistics(target)
        fingerprints = self._gather(embeddings, fitted)
        self._statistics, self.fingerprints = fitted, fingerprints
        return self

    def extend(self, embeddings: Mapping[str, Any]) -> Self:
        """One more modality later; the statistics of the others stay as they are. A known modality is refused."""
        if self.needs and not self.modalities:
            raise C3Error("the bridge is not fitted. Call bridge.fit({modality: embeddings, …}) first.")
        for modality in embeddings:
            if modality in self.modalities:
                raise C3Error(f"the bridge knows {modality!r} already. Fit it again to replace what it knows.")
        extended = self._statistics.copy()  # all or none
        self.fingerprints |= self._gather(embeddings, extended)
        self._statistics = extended
        return self

    def _gather(self, embeddings: Mapping[str, Any], statistics: Statistics) -> dict[str, str]:
        """Add each modality to `statistics`; returns the fingerprints that came along."""
        gathered: dict[str, Moments | None] = {}
        size = self.collapse.size if isinstance(self.collapse, Memory) else SAMPLE_SIZE
        wanted = {m: self.needs if m == statistics.target else self._of_each for m in embeddings}
        for modality, given in embeddings.items():
            try:
                moments = Moments.of(given, wanted[modality], sample_size=size) if wanted[modality] else None
            except C3Error as error:
                raise C3Error(f"{modality}: {error}") from None
            gathered[modality] = moments
        for modality, known in gathered.items():
            statistics.add(modality, known, wanted[modality], sample_size=size)
        sources = {modality: gathered[modality] or given for modality, given in embeddings.items()}
        prints = {modality: getattr(source, "fingerprint", None) for modality, source in sources.items()}
        return {modality: mark for modality, mark in prints.items() if mark is not None}

    def train_condition(self, e: Tensor, modality: str, *, generator: torch.Generator | None = None) -> Tensor:
        """rescale(corrupt(collapse(e))): conditions (n, d) for training, with noise drawn from `generator`."""
        f = self.collapse(self._checked(e), modality, self._statistics)
        f = self.corrupt(f, modality, self._statistics, generator)
        return self.rescale(f, self._statistics).to(e.dtype)

    def condition(self, e: Tensor, modality: str) -> Tensor:
        """rescale(collapse(e)): conditions (n, d) for use; no randomness."""
        return self.rescale(self.collapse(self._checked(e), modality, self._statistics), self._statistics).to(e.dtype)

    def _checked(self, e: Tensor) -> Tensor:
        """`e` in float32 at least: half precision would lose the small difference that collapse leaves."""
        dim = self._statistics.dim
        if not isinstance(e, Tensor):
            raise C3Error(
                f"bridge {self.name!r} takes a tensor of embeddings (n, {dim or 'd'}), got {type(e).__name__}."
            )
        if e.ndim != 2 or dim not in (None, e.shape[1]) or not e.is_floating_point():
            raise C3Error(
                f"bridge {self.name!r} takes floating-point embeddings of shape (n, {dim or 'd'}), got {tuple(e.shape)}"
                f" of {str(e.dtype).removeprefix('torch.')}. Use the space that it was fitted with."
            )
        return e if e.dtype == torch.float64 else e.float()

    def native(self) -> C3Bridge:
        """This bridge for a decoder of frame "native", which takes the target's embeddings as its encoder gives them.

        The collapse is expressed in the target's frame (`mean` becomes `shift`, `mean_std` adds the target's mean),
        and the condition gets the mean raw norm of the target's encoder. What was fitted is carried over; as it may
        not suffice (a bridge that needed nothing gathered nothing), ask for it before fitting. Asking twice changes
        nothing.

        >>> C3Bridge(corrupt="none").native().config()["collapse"]
        {'kind': 'shift'}
        """
        bridge = C3Bridge(self.collapse.native(), self.corrupt, Native(), name=self.name)
        bridge._statistics = self._statistics.copy()
        bridge.fingerprints = dict(self.fingerprints)
        return bridge

    def config(self) -> dict[str, Any]:
        """What rebuilds the bridge, as JSON values; its statistics are in `state`."""
        return {
            "name": self.name,
            "collapse": self.collapse.config(),
            "corrupt": self.corrupt.config(),
            "rescale": self.rescale.config(),
            "target": self.target,
            "modalities": list(self.modalities),
            "fingerprints": dict(self.fingerprints),
        }

    def state(self) -> dict[str, Tensor]:
        """The fitted statistics by "modality.name", float64 but for the sample."""
        return self._statistics.state()

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """The bridge that `config` and `state` describe; a `C3Error` names what is wrong with them."""
        given = checked(_Config, config, what="bridge")
        bridge = cls(given.collapse, given.corrupt, given.rescale, name=given.name)
        bridge._statistics = Statistics.restore(given.target, given.modalities, state)
        bridge.fingerprints = dict(given.fingerprints)
        return bridge

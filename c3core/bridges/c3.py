"""The C3 bridge: a collapse, then (while training) a corrupt, then a rescale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import torch
from pydantic import BaseModel
from torch import Tensor

from c3core.bridges.collapse import COLLAPSES, Collapse, Mean, Memory
from c3core.bridges.corrupt import CORRUPTS, Corrupt, Gaussian, Noise
from c3core.bridges.fitted import FittedStatistics
from c3core.bridges.part import AUTO, make_part
from c3core.bridges.rescale import RESCALES, Native, Rescale, Unit
from c3core.contracts import Bridge
from c3core.errors import C3Error, WrongCall
from c3core.io.validation import checked
from c3core.statistics.moments import SAMPLE_SIZE, Moments


class _Config(BaseModel, extra="forbid"):
    name: str
    collapse: dict[str, Any]
    corrupt: dict[str, Any]
    rescale: dict[str, Any]
    target: str | None = None
    modalities: list[str] = []


class C3Bridge(Bridge):
    """Algorithm 1 of the C3 paper and its relatives. By default `c3` of the paper's COCO code.

    training: rescale(corrupt(collapse(e)))    use: rescale(collapse(e))

    Give each part as an object (`Mean()`), a kind ("mean") or a config ({"kind": "gaussian", "std": 0.1}). The parts
    determine which moments `fit` gathers (`needs`). A bridge that needs none takes any modality, fitted or not.
    Conditions have the dtype and the device of the embeddings.

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
        self.collapse = make_part("collapse", collapse, COLLAPSES)
        self._corrupt = make_part("corrupt", corrupt, CORRUPTS)
        self.rescale = make_part("rescale", rescale, RESCALES)
        self.name = name
        self._statistics = FittedStatistics()

    @property
    def corrupt(self) -> Corrupt:
        """The second part. Noise of "auto" has the level that was chosen since."""
        chosen = self._statistics.noise_std
        if isinstance(self._corrupt, Noise) and self._corrupt.std == AUTO and chosen is not None:
            return replace(self._corrupt, std=chosen)
        return self._corrupt

    def choose_noise(self, std: float) -> None:
        """Set the level of noise that is "auto", for this bridge and its native form, until it is fitted again."""
        self._statistics.noise_std = std

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """The moments that one pass over the embeddings must gather."""
        return self._needs_of_each | self._needs_of_target

    @property
    def _needs_of_each(self) -> frozenset[str]:
        return self.collapse.needs | self.corrupt.needs | self.rescale.needs

    @property
    def _needs_of_target(self) -> frozenset[str]:
        return self.collapse.target_needs | self.corrupt.target_needs | self.rescale.target_needs

    @property
    def target(self) -> str | None:  # type: ignore[override]
        """The modality that the decoder is trained on."""
        return self._statistics.target

    @property
    def modalities(self) -> tuple[str, ...]:
        return self._statistics.modalities

    def takes(self, modality: str) -> bool:
        """Whether `condition` works for a modality: it is fitted on it, or only the target's moments are read."""
        of_each = self.collapse.needs | self.rescale.needs
        return modality in self.modalities or (not of_each and bool(self.modalities or not self.needs))

    def __repr__(self) -> str:
        return f"C3Bridge({self.collapse}, {self.corrupt}, {self.rescale}, name={self.name!r})"

    def fit(self, embeddings: Mapping[str, Any], *, target: str | None = None) -> Self:
        """Gather the moments of each modality in one pass. Replaces an earlier fit.

        `embeddings` maps a modality to a tensor (n, d), an iterable of tensors, a store or `Moments`. `target` is the
        modality that the decoder is trained on; it may be omitted if there is only one modality. Raises `C3Error` if a
        part needs the target and it is missing, or if embeddings are empty, not finite or of different dimensions.
        """
        if target is None and len(embeddings) == 1:
            (target,) = embeddings
        if self._needs_of_target and (target is None or target not in embeddings):
            missing = f"embeddings of its target {target!r}" if target else "target=…, the decoder's modality"
            needs = ", ".join(sorted(self._needs_of_target))
            raise WrongCall(f"bridge {self.name!r} needs {missing}: it reads the target's {needs}.")
        fitted = FittedStatistics(target)
        self._gather(embeddings, fitted)
        self._statistics.replace(fitted)
        return self

    def extend(self, embeddings: Mapping[str, Any]) -> Self:
        """Add modalities. The statistics of the fitted ones do not change; raises `WrongCall` for a fitted one."""
        if self.needs and not self.modalities:
            raise WrongCall("the bridge is not fitted. Call bridge.fit({modality: embeddings, …}, target=…) first.")
        if known := [modality for modality in embeddings if modality in self.modalities]:
            raise WrongCall(f"the bridge is fitted on {known[0]!r} already. Fit it again to replace its statistics.")
        extended = self._statistics.copy()  # so that an error leaves the bridge as it was
        self._gather(embeddings, extended)
        self._statistics.replace(extended)
        return self

    def _gather(self, embeddings: Mapping[str, Any], statistics: FittedStatistics) -> None:
        """Add each modality to `statistics`."""
        size = self.collapse.size if isinstance(self.collapse, Memory) else SAMPLE_SIZE
        for modality, data in embeddings.items():
            needs = self.needs if modality == statistics.target else self._needs_of_each
            try:
                moments = Moments.of(data, needs, sample_size=size) if needs else None
            except C3Error as error:
                error.args = (f"{modality}: {error}",)
                raise
            statistics.add(modality, moments, needs, sample_size=size)

    def train_condition(self, e: Tensor, modality: str, *, generator: torch.Generator | None = None) -> Tensor:
        """Return rescale(corrupt(collapse(e))), conditions (n, d) for training; noise is drawn from `generator`."""
        f = self.collapse(self._prepared(e), modality, self._statistics)
        f = self.corrupt(f, modality, self._statistics, generator)
        return self.rescale(f, self._statistics).to(e.dtype)

    def condition(self, e: Tensor, modality: str) -> Tensor:
        """Return rescale(collapse(e)), conditions (n, d) for use, without randomness."""
        return self.rescale(self.collapse(self._prepared(e), modality, self._statistics), self._statistics).to(e.dtype)

    def _prepared(self, e: Tensor) -> Tensor:
        """Check the embeddings and widen half precision, which would lose the small differences after the collapse."""
        dim = self._statistics.dim
        if not isinstance(e, Tensor) or e.ndim != 2 or dim not in (None, e.shape[1]) or not e.is_floating_point():
            got = f"{e.dtype} {tuple(e.shape)}" if isinstance(e, Tensor) else f"a {type(e).__name__}"
            raise WrongCall(f"bridge {self.name!r} takes floating-point embeddings (n, {dim or 'd'}), got {got}.")
        return e if e.dtype == torch.float64 else e.float()

    def native(self) -> C3Bridge:
        """Return this bridge for a decoder of frame "native", which takes embeddings like its own encoder's.

        The collapse moves other modalities to the target's mean (`mean` becomes `shift`, `mean_std` adds the target's
        mean), and conditions have the mean raw norm of the target's encoder. The two share their statistics: `fit` and
        `extend` of one fit the other. Fit the native one, which may need more of them. A native bridge returns an equal
        one.

        >>> C3Bridge(corrupt="none").native().config()["collapse"]
        {'kind': 'shift'}
        """
        bridge = C3Bridge(self.collapse.native(), self._corrupt, Native(), name=self.name)
        bridge._statistics = self._statistics
        return bridge

    def gap(self, modality: str) -> Tensor:
        """Return the modality gap ē_m − ē_target (d,), float64. The bridge must be fitted on the means of both.

        >>> embeddings = {"text": torch.zeros(2, 2), "image": torch.tensor([[0.0, 5.0]])}
        >>> C3Bridge().fit(embeddings, target="text").gap("image").tolist()
        [0.0, 5.0]
        """
        return self._statistics.get(modality, "mean") - self._statistics.of_target("mean")

    def config(self) -> dict[str, Any]:
        """Return what rebuilds the bridge, as JSON values, without the statistics of `state`."""
        return {
            "name": self.name,
            "collapse": self.collapse.config(),
            "corrupt": self.corrupt.config(),
            "rescale": self.rescale.config(),
            "target": self.target,
            "modalities": list(self.modalities),
        }

    def state(self) -> dict[str, Tensor]:
        """Return the fitted statistics by "modality.name": float64, except for the float32 sample."""
        return self._statistics.state()

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """Return the bridge that `config` and `state` describe. Raises `C3Error` if they do not fit."""
        saved = checked(_Config, config, what="bridge")
        bridge = cls(saved.collapse, saved.corrupt, saved.rescale, name=saved.name)
        bridge._statistics = FittedStatistics.restore(saved.target, saved.modalities, state)
        return bridge

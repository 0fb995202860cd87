"""The statistics that a fitted bridge holds of each modality, and how its parts read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import Moments


class FittedStatistics:
    """Mean, variance, covariance, sample and mean raw norm of each modality.

    Held in float64 (the sample in float32). `like` and `target_like` return them in the dtype and on the device of the
    embeddings at hand.
    """

    def __init__(self, target: str | None = None) -> None:
        self.target = target
        self.noise_std: float | None = None  # that was chosen for a bridge whose noise is "auto"
        self._known: dict[str, dict[str, Tensor]] = {}
        self._derived: dict[Any, Tensor] = {}

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self._known)

    @property
    def dim(self) -> int | None:
        """The dimension of the embeddings; None if no statistic tells it."""
        vectors = (value for values in self._known.values() for value in values.values() if value.ndim)
        return next((value.shape[-1] for value in vectors), None)

    def add(self, modality: str, moments: Moments | None, needs: frozenset[str], *, sample_size: int) -> None:
        """Add a modality with the moments that are needed; without `moments`, only its name.

        Add to a copy: what `derived` computed before does not change.
        """
        values: dict[str, Tensor] = {}
        if moments is not None:
            if self.dim not in (None, moments.dim):
                raise WrongCall(f"the {modality} embeddings have {moments.dim} dimensions, the others {self.dim}.")
            values = {name: getattr(moments, name).clone() for name in sorted({"mean"} | needs)}
            if "sample" in values:
                values["sample"] = values["sample"][:sample_size].clone()  # in random order: any part is a sample too
            values["norm"] = torch.tensor(moments.mean_norm, dtype=torch.float64)
            values["count"] = torch.tensor(moments.count)
        self._known[modality] = values

    def copy(self) -> FittedStatistics:
        """Return a copy. Adding to it does not change the original."""
        other = FittedStatistics(self.target)
        other.noise_std, other._known = self.noise_std, dict(self._known)
        return other

    def replace(self, other: FittedStatistics) -> None:
        """Take over the statistics of another, for every bridge that shares this object."""
        self.target, self.noise_std, self._known = other.target, other.noise_std, other._known
        self._derived.clear()

    def get(self, modality: str, name: str) -> Tensor:
        """Return a statistic of a modality, in float64 (the sample in float32)."""
        if not self._known:
            raise WrongCall("the bridge is not fitted. Call bridge.fit({modality: embeddings, …}, target=…) first.")
        if modality not in self._known:
            raise WrongCall(
                f"the bridge was not fitted on {modality!r} (it knows {', '.join(self._known)}). Fit it with items of"
                f" that too, or add it: pipeline.extend({{{modality!r}: items}}); for a saved pipeline, a recipe"
                " with `training: null`."
            )
        if name not in self._known[modality]:
            raise C3Error(f"the bridge was fitted without the {name} of {modality!r}. Fit it again.")
        return self._known[modality][name]

    def of_target(self, name: str) -> Tensor:
        """Return a statistic of the modality that the decoder is trained on."""
        if self._known and self.target is None:
            raise WrongCall("the bridge does not know which modality the decoder learns from. Fit it with target=….")
        return self.get(str(self.target), name)

    def like(self, e: Tensor, modality: str, name: str) -> Tensor:
        """Return a statistic in the dtype and on the device of `e`."""
        return self.derived(e, (modality, name), lambda: self.get(modality, name))

    def target_like(self, e: Tensor, name: str) -> Tensor:
        """Return a statistic of the target in the dtype and on the device of `e`."""
        return self.derived(e, (None, name), lambda: self.of_target(name))

    def derived(self, e: Tensor, key: Any, compute: Callable[[], Tensor]) -> Tensor:
        """Return `compute()` in the dtype and on the device of `e`. It is called once per key, dtype and device."""
        full_key = (key, e.dtype, e.device)
        if full_key not in self._derived:
            self._derived[full_key] = compute().to(e)
        return self._derived[full_key]

    def state(self) -> dict[str, Tensor]:
        """Return the statistics by "modality.name"."""
        known = self._known.items()
        return {f"{modality}.{name}": value for modality, values in known for name, value in values.items()}

    @classmethod
    def restore(cls, target: str | None, modalities: list[str], state: Mapping[str, Tensor]) -> Self:
        """Return the statistics in `state`, for these modalities in this order."""
        statistics = cls(target)
        statistics._known = {modality: {} for modality in modalities}
        for key, value in state.items():
            modality, _, name = key.rpartition(".")
            if modality not in statistics._known:
                raise C3Error(f"the bridge's statistics hold {key!r}, which its config does not list. Save it again.")
            statistics._known[modality][name] = value
        return statistics

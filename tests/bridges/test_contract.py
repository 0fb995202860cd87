"""Every preset passes the suite of bridges; so do native forms and bridges made by hand."""

from __future__ import annotations

from typing import ClassVar

import pytest

from c3core.bridges import C3Bridge, list_presets, preset
from c3core.contracts import Bridge
from c3core.testing import BridgeContract

# At use, nothing is needed of a source's modality.
ANY_MODALITY = {"c1", "c2_2", "c2_2_span", "capdec", "lafite_g", "decap"}
NOISELESS = {"c1", "c2_1", "decap"}
PRESETS = [row["name"] for row in list_presets()]
HAND_MADE: dict[str, dict[str, object]] = {
    "nothing at all": {"collapse": "none", "corrupt": "none", "rescale": "none"},
    "memory, then covariance noise": {"collapse": {"kind": "memory", "size": 8}, "corrupt": "covariance"},
    "span noise after mean and spread": {"collapse": "mean_std", "corrupt": "span"},
}


class TestPreset(BridgeContract):
    plugin: ClassVar[str | None] = "c3core.bridges.builtin"

    @pytest.fixture(autouse=True, params=PRESETS)
    def _name(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
        self.any_modality = self.name in ANY_MODALITY  # type: ignore[misc]
        self.noisy = self.name not in NOISELESS  # type: ignore[misc]
        self.extending_changes_noise = self.name == "c2_2_span"  # type: ignore[misc]  # it leaves out the gaps to all modalities

    def make(self) -> Bridge:
        return preset(self.name)


class TestNativePreset(TestPreset):
    def make(self) -> Bridge:
        return preset(self.name).native()


class TestHandMade(BridgeContract):
    modalities: ClassVar[tuple[str, ...]] = ("sound.raw", "touch", "smell")  # a name may hold a dot
    target: ClassVar[str] = "sound.raw"
    plugin: ClassVar[str | None] = "c3core.bridges.builtin"

    @pytest.fixture(autouse=True, params=HAND_MADE)
    def _name(self, request: pytest.FixtureRequest) -> None:
        self.parts = HAND_MADE[request.param]
        self.any_modality = self.parts["collapse"] != "mean_std"  # type: ignore[misc]
        self.noisy = self.parts["corrupt"] != "none"  # type: ignore[misc]
        self.extending_changes_noise = self.parts["corrupt"] == "span"  # type: ignore[misc]

    def make(self) -> Bridge:
        return C3Bridge(**self.parts, name="by hand")  # type: ignore[arg-type]

"""Bridges: the map from embeddings to conditions. A `C3Bridge` is a collapse, then a corrupt, then a rescale.

The table of presets costs no torch; the classes are imported when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from c3core.bridges.presets import list_presets, preset

if TYPE_CHECKING:
    from c3core.bridges.c3 import C3Bridge
    from c3core.bridges.collapse import Mean, MeanStd, Memory, NoCollapse, Shift
    from c3core.bridges.corrupt import Covariance, Gaussian, Lafite, NoCorrupt, Span
    from c3core.bridges.rescale import Native, NoRescale, Unit

_HOMES = {
    "c3": ("C3Bridge",),
    "collapse": ("Mean", "MeanStd", "Memory", "NoCollapse", "Shift"),
    "corrupt": ("Covariance", "Gaussian", "Lafite", "NoCorrupt", "Span"),
    "rescale": ("Native", "NoRescale", "Unit"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022  the order of use
    "C3Bridge", "NoCollapse", "Mean", "MeanStd", "Memory", "Shift", "NoCorrupt", "Gaussian", "Span", "Covariance",
    "Lafite", "NoRescale", "Unit", "Native", "list_presets", "preset",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'c3core.bridges' has no attribute {name!r}")
    return getattr(import_module(f"c3core.bridges.{_HOME_OF[name]}"), name)

"""c3core: learn a cross-modal task from data of one modality (Connect, Collapse, Corrupt).

The public names are imported when first asked for, so that `import c3core` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from c3core.errors import C3Error
from c3core.hooks import hookimpl
from c3core.version import __version__

_HOME_OF = {
    "BadItem": "contracts",
    "BadItems": "contracts",
    "Bridge": "contracts",
    "C3Bridge": "bridges",
    "Decoder": "contracts",
    "Encoder": "contracts",
    "GenerateOptions": "contracts",
    "Moments": "moments",
    "Objective": "contracts",
    "Pairs": "pairs",
    "Pipeline": "pipeline",
    "Reader": "contracts",
    "Space": "contracts",
    "Store": "stores",
    "Table": "tables",
    "Tower": "towers",
    "TrainingOptions": "training_options",
    "evaluate": "evaluation",
    "load_bridge": "loading",
    "load_decoder": "loading",
    "load_pipeline": "loading",
    "load_space": "loading",
    "load_table": "loading",
    "load_tower": "loading",
}

__all__ = [
    "BadItem",
    "BadItems",
    "Bridge",
    "C3Bridge",
    "C3Error",
    "Decoder",
    "Encoder",
    "GenerateOptions",
    "Moments",
    "Objective",
    "Pairs",
    "Pipeline",
    "Reader",
    "Space",
    "Store",
    "Table",
    "Tower",
    "TrainingOptions",
    "__version__",
    "evaluate",
    "hookimpl",
    "load_bridge",
    "load_decoder",
    "load_pipeline",
    "load_space",
    "load_table",
    "load_tower",
]

if TYPE_CHECKING:
    from c3core.bridges import C3Bridge
    from c3core.contracts import (
        BadItem,
        BadItems,
        Bridge,
        Decoder,
        Encoder,
        GenerateOptions,
        Objective,
        Reader,
        Space,
    )
    from c3core.evaluation import evaluate
    from c3core.loading import load_bridge, load_decoder, load_pipeline, load_space, load_table, load_tower
    from c3core.moments import Moments
    from c3core.pairs import Pairs
    from c3core.pipeline import Pipeline
    from c3core.stores import Store
    from c3core.tables import Table
    from c3core.towers import Tower
    from c3core.training_options import TrainingOptions


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'c3core' has no attribute {name!r}")
    value = getattr(import_module(f"c3core.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

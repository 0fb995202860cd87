"""Make `weights/familiar.safetensors`, by which the space tells pictures, videos and sounds that are unlike its world.

    python -m c3_playground.familiar

Sentences are left out: those about all kinds of things lie in so many directions that others do not stand out.
"""

from __future__ import annotations

from c3_playground.space import FOLDER
from c3_playground.world import World
from c3core import load_space
from c3core.io import write_tensors
from c3core.statistics import Familiarity, familiarity_states

ITEMS = {"image": 1000, "video": 300, "audio": 1000}


def familiar() -> dict[str, Familiarity]:
    """What tells unlike items, of each modality."""
    world, space, found = World(), load_space("playground"), {}
    for modality, count in ITEMS.items():
        known = Familiarity.of(space.encode([item.data for item in world.items(modality, "train", count)], modality))
        assert known is not None
        found[modality] = known
    return found


if __name__ == "__main__":
    write_tensors(FOLDER / "familiar.safetensors", familiarity_states(familiar()))

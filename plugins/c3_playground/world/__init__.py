"""A procedural world of pictures, clips and sounds, with five sentences about each item.

Everything is drawn from a seed with numpy and the standard library, so that nothing is downloaded. `World` makes the
items, and `accuracy` scores a caption against the factors that an item was drawn from.

>>> from c3_playground.world import World, accuracy
>>> item = World(seed=0).items("image", "test", 1)[0]
>>> item.data.shape, len(item.sentences)
((32, 32, 3), 5)
>>> accuracy("gibberish", item.scene)
0.0
"""

from __future__ import annotations

from c3_playground.world.factors import Factors, accuracy, consistent, parse
from c3_playground.world.item import Item
from c3_playground.world.scenes import PictureScene, Scene, SoundScene, VideoScene
from c3_playground.world.world import World

__all__ = [
    "Factors",
    "Item",
    "PictureScene",
    "Scene",
    "SoundScene",
    "VideoScene",
    "World",
    "accuracy",
    "consistent",
    "parse",
]

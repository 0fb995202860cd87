"""A procedural world: pictures, clips and sounds, five sentences each, and the factors behind them.

Everything is drawn from a seed with numpy and the standard library, so it needs no download.
`World` makes the items, `accuracy` scores a caption against the factors an item was drawn from.

>>> from c3_playground.world import World, accuracy
>>> item = World(seed=0).items("image", "test", 1)[0]
>>> item.data.shape, len(item.sentences)
((32, 32, 3), 5)
>>> accuracy("gibberish", item.scene)
0.0
"""

from __future__ import annotations

from c3_playground.world.factors import Factors, accuracy, consistent, parse
from c3_playground.world.scenes import PictureScene, Scene, SoundScene, VideoScene
from c3_playground.world.world import Item, World

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

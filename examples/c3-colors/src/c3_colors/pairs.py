import random

from c3_colors.space import NAMES
from c3core import Table


def table(argument, *, folder):
    """The table "colors:500": 500 colors, each with the nearest name. Columns are named after modalities.

    A table that reads files starts relative paths of its argument at `folder`, which is a recipe's or the current one.
    """
    draw = random.Random(0)
    colors = [f"#{draw.randrange(1 << 24):06x}" for _ in range(int(argument))]
    return Table({"color": colors, "text": [nearest(color) for color in colors]})


def nearest(color):
    rgb = bytes.fromhex(color[1:])
    return min(NAMES, key=lambda name: sum((a - b) ** 2 for a, b in zip(rgb, bytes.fromhex(NAMES[name][1:]))))

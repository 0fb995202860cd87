"""The colors of pictures and clips, and which objects can be seen on which background."""

from __future__ import annotations

from math import dist

RGB = tuple[int, int, int]

OBJECT_RGB: dict[str, RGB] = {
    "red": (220, 30, 35),
    "orange": (250, 135, 15),
    "yellow": (252, 228, 35),
    "green": (35, 180, 60),
    "blue": (30, 70, 225),
    "purple": (140, 50, 190),
    "pink": (255, 110, 185),
    "white": (250, 250, 250),
    "black": (12, 12, 12),
}
BACKGROUND_RGB: dict[str, RGB] = {
    "black": (12, 12, 12),
    "white": (248, 248, 248),
    "grey": (128, 128, 128),
    "light blue": (150, 208, 250),
    "beige": (226, 205, 165),
    "dark green": (15, 72, 40),
}

LEAST_CONTRAST = 85.0  # Euclidean distance in RGB; below it a small object can hardly be seen


def visible(color: str, background: str) -> bool:
    """Whether an object of `color` can be seen on `background`.

    >>> visible("red", "black"), visible("black", "black")
    (True, False)
    """
    return dist(OBJECT_RGB[color], BACKGROUND_RGB[background]) >= LEAST_CONTRAST


VISIBLE_COLORS: dict[str, tuple[str, ...]] = {
    background: tuple(color for color in OBJECT_RGB if visible(color, background)) for background in BACKGROUND_RGB
}

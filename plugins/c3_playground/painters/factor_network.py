"""A network that reads a picture's factors: the shape, color and size of the object in each of nine places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from c3_playground.towers.places import PlacesNet
from c3_playground.world.language import lexicon
from c3_playground.world.scenes import PictureScene, Thing

SHAPES, COLORS, PLACES = tuple(lexicon.SHAPES), tuple(lexicon.COLORS), tuple(lexicon.PLACES)
SIZES, BACKGROUNDS = tuple(lexicon.SIZES), tuple(lexicon.BACKGROUNDS)
NOTHING = len(SHAPES)  # the class of a place without an object
WEIGHTS = Path(__file__).parent / "factor_reader.safetensors"
AT_ONCE = 128


class FactorReader(nn.Module):
    """Gives logits for pictures, uint8 (n, 32, 32, 3).

    They are shapes (n, 9, 8 and nothing), colors (n, 9, 9) and sizes (n, 9, 3) of the places, and backgrounds (n, 6).
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = PlacesNet()
        self.shape = nn.Linear(self.net.width, len(SHAPES) + 1)
        self.colour = nn.Linear(self.net.width, len(COLORS))  # spelled as in the shipped weights
        self.size = nn.Linear(self.net.width, len(SIZES))
        self.background = nn.Linear(self.net.width, len(BACKGROUNDS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        places = self.net(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return self.shape(places), self.colour(places), self.size(places), self.background(places.mean(dim=1))

    def loss(self, pictures: Tensor, shapes: Tensor, colors: Tensor, sizes: Tensor, backgrounds: Tensor) -> Tensor:
        """The cross-entropy of each place's shape, of each object's color and size, and of the background."""
        shape, color, size, background = self(pictures)
        there = shapes != NOTHING
        objects = cross_entropy(color[there], colors[there]) + cross_entropy(size[there], sizes[there])
        return cross_entropy(shape.flatten(0, 1), shapes.flatten()) + objects + cross_entropy(background, backgrounds)

    @torch.inference_mode()
    def probabilities(self, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
        """Probabilities of shapes (n, 9, 9) and colors (n, 9, 9) in each place. The last shape is nothing."""
        parts = (torch.from_numpy(np.stack(pictures[k : k + AT_ONCE])) for k in range(0, len(pictures), AT_ONCE))
        shapes, colors = zip(*(self(part)[:2] for part in parts), strict=True)
        return torch.cat(shapes).softmax(-1), torch.cat(colors).softmax(-1)

    def scenes(self, pictures: Sequence[NDArray[np.uint8]]) -> list[PictureScene]:
        """The scene that each picture shows, without sizes and background."""
        shapes, colors = (found.argmax(-1).tolist() for found in self.probabilities(pictures))
        return [
            PictureScene(
                tuple(
                    Thing(SHAPES[shape], COLORS[color], None, place)
                    for shape, color, place in zip(*rows, PLACES, strict=True)
                    if shape != NOTHING
                ),
                background="",
            )
            for rows in zip(shapes, colors, strict=True)
        ]


def load_reader() -> FactorReader:
    """The reader that ships with the package."""
    reader = FactorReader()
    reader.load_state_dict(load_file(WEIGHTS))
    return reader.eval()

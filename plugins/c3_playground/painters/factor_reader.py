"""Reads the factors of a picture: which shape of which colour stands in each of the nine places.

It is trained on true pictures, and scores those that a painter drew. `python -m c3_playground.painters.factor_reader FOLDER`
trains it anew (a few minutes) and prints its own accuracy on unseen true pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from c3_playground.towers.grid import attention_layers
from c3_playground.world import World, lexicon, parse
from c3_playground.world.scenes import PictureScene, Thing
from c3core.contracts import Objective
from c3core.files import replacing
from c3core.training import Job, TrainingOptions, train

SHAPES, COLOURS, PLACES = tuple(lexicon.SHAPES), tuple(lexicon.COLOURS), tuple(lexicon.PLACES)
NOTHING = len(SHAPES)  # the class of a place without an object
FACTORS = ("shape", "colour", "place")
WEIGHTS = Path(__file__).parent / "factor_reader.safetensors"


class FactorReader(nn.Module):
    """Pictures uint8 (n, 32, 32, 3) to logits of each place: shapes (n, 9, 8 and nothing) and colours (n, 9, 9)."""

    def __init__(self, channels: Sequence[int] = (48, 96)) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            blocks += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.GroupNorm(8, after), nn.GELU()]
            blocks += [nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.GELU()]
        width = channels[-1]
        self.convolutions = nn.Sequential(*blocks)  # to (n, width, 8, 8)
        self.cells = nn.Parameter(torch.randn(64, width) * 0.02)
        self.attention = attention_layers(width, layers=1)
        self.places = nn.Linear(64, len(PLACES))
        self.shape = nn.Linear(width, len(SHAPES) + 1)
        self.colour = nn.Linear(width, len(COLOURS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        cells = self.convolutions(pixels).flatten(2).transpose(1, 2) + self.cells
        places = self.places(self.attention(cells).transpose(1, 2)).transpose(1, 2)  # (n, 9, width)
        return self.shape(places), self.colour(places)

    def loss(self, pictures: Tensor, shapes: Tensor, colours: Tensor) -> Tensor:
        """Cross-entropy of the shape in each place, and of the colour where there is an object."""
        shape, colour = self(pictures)
        there = shapes != NOTHING
        return cross_entropy(shape.flatten(0, 1), shapes.flatten()) + cross_entropy(colour[there], colours[there])


def load_reader() -> FactorReader:
    """The reader that ships with the package."""
    reader = FactorReader()
    reader.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return reader.eval()


@torch.inference_mode()
def probabilities(reader: FactorReader, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Probabilities of shapes (n, 9, 9) and colours (n, 9, 9) in each place; the last shape stands for nothing."""
    found = [reader(torch.from_numpy(np.stack(pictures[k : k + 128]))) for k in range(0, len(pictures), 128)]
    return torch.cat([shape for shape, _ in found]).softmax(-1), torch.cat([colour for _, colour in found]).softmax(-1)


def read(reader: FactorReader, pictures: Sequence[NDArray[np.uint8]]) -> list[PictureScene]:
    """The scene that each picture shows, with sizes and background left open."""
    shapes, colours = (found.argmax(-1).tolist() for found in probabilities(reader, pictures))
    return [
        PictureScene(
            tuple(
                Thing(SHAPES[shape], COLOURS[colour], None, place)
                for shape, colour, place in zip(*rows, PLACES, strict=True)
                if shape != NOTHING
            ),
            background="",
        )
        for rows in zip(shapes, colours, strict=True)
    ]


def factor_score(sentence: str, seen: PictureScene) -> dict[str, tuple[int, int]]:
    """(right, stated) for shape, colour and place: what the sentence states, looked for in what a picture shows.

    Stated and seen objects are matched one to one in the way that is best for the picture; a stated object that is not
    there has all its factors wrong. A relation ("left of") counts as a place.

    >>> seen = PictureScene((Thing("ring", "red", None, "left"), Thing("star", "blue", None, "top")), "")
    >>> factor_score("a red ring to the left of a green star", seen)
    {'shape': (2, 2), 'colour': (1, 2), 'place': (1, 1)}
    """
    stated = parse(sentence, "image")
    slots = [*range(len(seen.things)), *[None] * len(stated.parts)]
    best: dict[str, tuple[int, int]] = {}
    for chosen in dict.fromkeys(permutations(slots, len(stated.parts))):
        score = {factor: [0, 0] for factor in FACTORS}
        for part, index in zip(stated.parts, chosen, strict=True):
            for factor in part.keys() & set(FACTORS):
                score[factor][0] += index is not None and getattr(seen.things[index], factor) == part[factor]
                score[factor][1] += 1
        for first, relation, second in stated.relations:
            one, other = chosen[first], chosen[second]
            score["place"][0] += one is not None and other is not None and seen.holds(one, relation, other)
            score["place"][1] += 1
        if not best or sum(right for right, _ in score.values()) > sum(right for right, _ in best.values()):
            best = {factor: (right, counted) for factor, (right, counted) in score.items()}
    return best


def factor_accuracy(reader: FactorReader, sentences: Sequence[str], pictures: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """Shares in [0, 1] of the stated shapes, colours and places that the pictures show, and their `mean`."""
    totals = {factor: np.zeros(2) for factor in FACTORS}
    for sentence, seen in zip(sentences, read(reader, pictures), strict=True):
        for factor, counts in factor_score(sentence, seen).items():
            totals[factor] += counts
    shares = {factor: float(right / max(counted, 1)) for factor, (right, counted) in totals.items()}
    return {**shares, "mean": float(np.mean(list(shares.values())))}


def inception_score(reader: FactorReader, pictures: Sequence[NDArray[np.uint8]]) -> float:
    """exp of the mean KL(p(y | picture) ‖ p(y)), 1 to 72: y is the shape and colour of the object that the reader is surest of."""
    shapes, colours = probabilities(reader, pictures)
    place = shapes[..., NOTHING].argmin(dim=1)
    rows = torch.arange(len(shapes))
    shape = shapes[rows, place, :NOTHING]
    joint = ((shape / shape.sum(-1, keepdim=True)).unsqueeze(2) * colours[rows, place].unsqueeze(1)).flatten(1).double()
    divergence = (joint * (joint.clamp_min(1e-12).log() - joint.mean(0).clamp_min(1e-12).log())).sum(-1)
    return float(divergence.mean().exp())


def _batches(epoch: int, *, batches: int, size: int) -> Iterator[list[Any]]:
    for number in range(batches):
        yield World().items("image", "train", size, start=(epoch * batches + number) * size)


def _collate(items: list[Any], generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
    shapes, colours = torch.full((len(items), 9), NOTHING), torch.zeros(len(items), 9, dtype=torch.long)
    for row, item in enumerate(items):
        for thing in item.scene.things:
            place = PLACES.index(thing.place)
            shapes[row, place], colours[row, place] = SHAPES.index(thing.shape), COLOURS.index(thing.colour)
    return torch.from_numpy(np.stack([item.data for item in items])), shapes, colours


def main(folder: Path, *, steps: int = 1000, size: int = 64, tested: int = 2000) -> None:
    """Train a reader in `folder`, write its weights there as they ship, and print its accuracy on unseen true pictures."""
    torch.manual_seed(0)
    reader = FactorReader()
    job = Job(
        module=reader,
        objectives=[Objective("loss", list(reader.parameters()), reader.loss)],
        rows=lambda epoch: _batches(epoch, batches=500, size=size),
        batch=_collate,
        batches_per_epoch=500,
        batch_size=size,
        label="training the factor reader",
    )
    train(job, TrainingOptions(steps=steps, lr=2e-3, batch_size=size, precision="float32"), folder / "run")
    with replacing(folder / WEIGHTS.name) as temporary:
        save_file({name: value.half() for name, value in reader.state_dict().items()}, temporary)
    items = World().items("image", "test", tested)
    sentences, pictures = [item.sentences[0] for item in items], [item.data for item in items]
    print(factor_accuracy(reader.eval(), sentences, pictures), "inception score", inception_score(reader, pictures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

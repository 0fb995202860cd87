"""Reads the factors of a picture: which shape of which colour stands in each of the nine places.

It is trained on true pictures, and scores those that a painter drew. `python -m c3_playground.painters.factor_reader
FOLDER --seed N` trains one anew (eight minutes of a core) and prints its accuracy on unseen true pictures. The one that
ships is of seed 1; the image tower has the network of another, of seed 0, which saw other pictures, so that no network
is judge in its own cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from c3_playground.towers.places import TRUNK, PlacesNet
from c3_playground.world import World, parse
from c3_playground.world.language import lexicon
from c3_playground.world.scenes import PictureScene, Thing
from c3core.contracts import Objective
from c3core.io import write_tensors
from c3core.runtime import exit_cleanly
from c3core.training import TrainingOptions, TrainingTask, train

SHAPES, COLOURS, PLACES = tuple(lexicon.SHAPES), tuple(lexicon.COLOURS), tuple(lexicon.PLACES)
SIZES, BACKGROUNDS = tuple(lexicon.SIZES), tuple(lexicon.BACKGROUNDS)
NOTHING = len(SHAPES)  # the class of a place without an object
FACTORS = ("shape", "colour", "place")
WEIGHTS = Path(__file__).parent / "factor_reader.safetensors"
PICTURES_A_SEED = 1_000_000


class FactorReader(nn.Module):
    """Pictures uint8 (n, 32, 32, 3) to logits of each place: shapes (n, 9, 8 and nothing), colours (n, 9, 9), sizes (n,
    9, 3); and of the picture: backgrounds (n, 6).
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = PlacesNet()
        self.shape = nn.Linear(self.net.width, len(SHAPES) + 1)
        self.colour = nn.Linear(self.net.width, len(COLOURS))
        self.size = nn.Linear(self.net.width, len(SIZES))
        self.background = nn.Linear(self.net.width, len(BACKGROUNDS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        places = self.net(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return self.shape(places), self.colour(places), self.size(places), self.background(places.mean(dim=1))

    def loss(self, pictures: Tensor, shapes: Tensor, colours: Tensor, sizes: Tensor, backgrounds: Tensor) -> Tensor:
        """Cross-entropy of the shape in each place, of colour and size where there is an object, and of the
        background.
        """
        shape, colour, size, background = self(pictures)
        there = shapes != NOTHING
        objects = cross_entropy(colour[there], colours[there]) + cross_entropy(size[there], sizes[there])
        return cross_entropy(shape.flatten(0, 1), shapes.flatten()) + objects + cross_entropy(background, backgrounds)


def load_reader() -> FactorReader:
    """The reader that ships with the package."""
    reader = FactorReader()
    reader.load_state_dict(load_file(WEIGHTS))
    return reader.eval()


@torch.inference_mode()
def probabilities(reader: FactorReader, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Probabilities of shapes (n, 9, 9) and colours (n, 9, 9) in each place; the last shape stands for nothing."""
    found = [reader(torch.from_numpy(np.stack(pictures[k : k + 128])))[:2] for k in range(0, len(pictures), 128)]
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

    Stated and seen objects are matched one to one in the way that is best for the picture: an object of another shape
    in the right colour has its colour right. Where fewer are seen than stated, the rest has all its factors wrong; more
    than stated cost nothing. A relation ("left of") counts as a place.

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


def factor_accuracy(
    reader: FactorReader, sentences: Sequence[str], pictures: Sequence[NDArray[np.uint8]]
) -> dict[str, float]:
    """Shares in [0, 1] of the stated shapes, colours and places that the pictures show, and their `mean`: of those that
    are stated.

    As objects more than stated cost these nothing, `exact` is the share of pictures that show all that is stated and as
    many objects; `objects` is how many they show on average.
    """
    totals = {factor: np.zeros(2) for factor in FACTORS}
    exact, seen = 0, read(reader, pictures)
    for sentence, scene in zip(sentences, seen, strict=True):
        found = factor_score(sentence, scene)
        exact += all(right == stated for right, stated in found.values()) and len(scene.things) == len(
            parse(sentence, "image").parts
        )
        for factor, counts in found.items():
            totals[factor] += counts
    shares = {factor: float(right / counted) for factor, (right, counted) in totals.items() if counted}
    objects = float(np.mean([len(scene.things) for scene in seen]))
    return {**shares, "mean": float(np.mean(list(shares.values()))), "exact": exact / len(seen), "objects": objects}


def inception_score(reader: FactorReader, pictures: Sequence[NDArray[np.uint8]]) -> float:
    """exp of the mean KL(p(y | picture) ‖ p(y)), 1 to 72: y is the shape and colour of the object that the reader is
    surest of.
    """
    shapes, colours = probabilities(reader, pictures)
    place = shapes[..., NOTHING].argmin(dim=1)
    rows = torch.arange(len(shapes))
    shape = shapes[rows, place, :NOTHING]
    joint = ((shape / shape.sum(-1, keepdim=True)).unsqueeze(2) * colours[rows, place].unsqueeze(1)).flatten(1).double()
    divergence = (joint * (joint.clamp_min(1e-12).log() - joint.mean(0).clamp_min(1e-12).log())).sum(-1)
    return float(divergence.mean().exp())


def _batches(epoch: int, *, batches: int, size: int, start: int) -> Iterator[list[Any]]:
    for number in range(batches):
        yield World().items("image", "train", size, start=start + (epoch * batches + number) * size)


def _collate(items: list[Any], generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
    shapes = torch.full((len(items), len(PLACES)), NOTHING)
    colours, sizes = torch.zeros_like(shapes), torch.zeros_like(shapes)
    for row, item in enumerate(items):
        for thing in item.scene.things:
            place = PLACES.index(thing.place)
            shapes[row, place], colours[row, place] = SHAPES.index(thing.shape), COLOURS.index(thing.colour)
            sizes[row, place] = SIZES.index(thing.size)
    backgrounds = torch.tensor([BACKGROUNDS.index(item.scene.background) for item in items])
    return torch.from_numpy(np.stack([item.data for item in items])), shapes, colours, sizes, backgrounds


def main(
    folder: Path,
    *,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: int = 4000,
    size: int = 64,
    tested: Annotated[int, typer.Option(min=1)] = 2000,
) -> None:
    """Train a reader in `folder`, write its weights and those of its trunk there, and print its accuracy on unseen true
    pictures.

    No picture is seen twice, and each seed sees pictures of its own.
    """
    torch.manual_seed(seed)
    reader = FactorReader()
    job = TrainingTask(
        module=reader,
        objectives=[Objective("loss", list(reader.parameters()), reader.loss)],
        rows=lambda epoch: _batches(epoch, batches=500, size=size, start=PICTURES_A_SEED * (1 + seed)),
        batch=_collate,
        batches_per_epoch=500,
        batch_size=size,
        label="training the factor reader",
    )
    options = TrainingOptions(steps=steps, learning_rate=2e-3, batch_size=size, precision="float32", seed=seed)
    train(job, options, folder / "run", recipe={"seed": seed})
    write_tensors(folder / WEIGHTS.name, reader.state_dict(), torch.float16)
    write_tensors(folder / TRUNK.name, reader.net.state_dict(), torch.float16)
    items = World().items("image", "test", tested)
    sentences, pictures = [item.sentences[0] for item in items], [item.data for item in items]
    print(factor_accuracy(reader.eval(), sentences, pictures), "inception score", inception_score(reader, pictures))


if __name__ == "__main__":
    typer.run(exit_cleanly()(main))

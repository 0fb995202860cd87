"""Train the network that reads factors off pictures, on true pictures.

`python -m c3_playground.painters.factor_reader FOLDER --seed N` takes eight minutes of one core. It writes the weights
to FOLDER, and prints the accuracy on unseen true pictures. The reader that ships is of seed 1. The image tower has the
network of seed 0, which saw other pictures, so that no network scores its own results.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from c3_playground.painters.factor_network import (
    BACKGROUNDS,
    COLORS,
    NOTHING,
    PLACES,
    SHAPES,
    SIZES,
    WEIGHTS,
    FactorReader,
)
from c3_playground.painters.factor_score import factor_accuracy, inception_score
from c3_playground.towers.places import TRUNK
from c3_playground.world import Item, World
from c3core.contracts import Objective
from c3core.io import write_tensors
from c3core.runtime import exit_cleanly
from c3core.training import TrainingOptions, TrainingTask, train

PICTURES_PER_SEED = 1_000_000


def _batches(epoch: int, *, batches: int, size: int, start: int) -> Iterator[list[Item]]:
    for number in range(batches):
        yield World().items("image", "train", size, start=start + (epoch * batches + number) * size)


def _collate(items: list[Any], generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
    shapes = torch.full((len(items), len(PLACES)), NOTHING)
    colors, sizes = torch.zeros_like(shapes), torch.zeros_like(shapes)
    for row, item in enumerate(items):
        for thing in item.scene.things:
            place = PLACES.index(thing.place)
            shapes[row, place], colors[row, place] = SHAPES.index(thing.shape), COLORS.index(thing.color)
            sizes[row, place] = SIZES.index(thing.size)
    backgrounds = torch.tensor([BACKGROUNDS.index(item.scene.background) for item in items])
    return torch.from_numpy(np.stack([item.data for item in items])), shapes, colors, sizes, backgrounds


def main(
    folder: Path,
    *,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: int = 4000,
    size: int = 64,
    tested: Annotated[int, typer.Option(min=1)] = 2000,
) -> None:
    """Train in `folder`, write the weights of the reader and of its trunk there, and print the accuracy.

    No picture is seen twice, and each seed sees other pictures.
    """
    torch.manual_seed(seed)
    reader = FactorReader()
    task = TrainingTask(
        module=reader,
        objectives=[Objective("loss", list(reader.parameters()), reader.loss)],
        rows=lambda epoch: _batches(epoch, batches=500, size=size, start=PICTURES_PER_SEED * (1 + seed)),
        batch=_collate,
        batches_per_epoch=500,
        batch_size=size,
        label="training the factor reader",
    )
    options = TrainingOptions(steps=steps, learning_rate=2e-3, batch_size=size, precision="float32", seed=seed)
    train(task, options, folder / "run", recipe={"seed": seed})
    write_tensors(folder / WEIGHTS.name, reader.state_dict(), torch.float16)
    write_tensors(folder / TRUNK.name, reader.net.state_dict(), torch.float16)
    items = World().items("image", "test", tested)
    sentences, pictures = [item.sentences[0] for item in items], [item.data for item in items]
    print(factor_accuracy(reader.eval(), sentences, pictures), "inception score", inception_score(reader, pictures))


if __name__ == "__main__":
    typer.run(exit_cleanly()(main))

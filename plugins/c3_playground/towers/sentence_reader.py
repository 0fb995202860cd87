"""Train the text tower's network to name what sentences state, on sentences only.

`python -m c3_playground.towers.sentence_reader FOLDER` takes thirteen minutes of one core. It writes the weights to
FOLDER, and prints how well the network names what unseen sentences state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import torch
import typer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from c3_playground.towers.sentences import WEIGHTS, SentenceNet, save_net, words_of
from c3_playground.world import World
from c3_playground.world.language.statements import statements
from c3_playground.world.stream import MODALITIES
from c3core.contracts import Objective
from c3core.runtime import exit_cleanly
from c3core.training import TrainingOptions, TrainingTask, train

Example = tuple[str, list[str]]  # a sentence and its statements
SIZE = 256
AT_ONCE = 8  # batches that are drawn together and sorted by length, so that little is padding


class SentenceReader(nn.Module):
    """The network, and a linear layer that names statements."""

    def __init__(self, vocabulary: Sequence[str], named: Sequence[str]) -> None:
        super().__init__()
        self.net = SentenceNet(vocabulary)
        self.named = {statement: k for k, statement in enumerate(named)}
        self.names = nn.Linear(self.net.width, len(named))

    def batch(self, examples: list[Example], generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Word ids (n, longest), and which statements hold (n, named)."""
        truth = torch.zeros(len(examples), len(self.named))
        for row, (_, stated) in enumerate(examples):
            truth[row, [self.named[statement] for statement in stated if statement in self.named]] = 1
        return self.net.ids([sentence for sentence, _ in examples]), truth

    def loss(self, ids: Tensor, truth: Tensor) -> Tensor:
        """The cross-entropy of each statement, summed over the statements."""
        return binary_cross_entropy_with_logits(self.names(self.net(ids)).float(), truth, reduction="sum") / len(truth)

    @torch.inference_mode()
    def accuracy(self, examples: list[Example]) -> dict[str, float]:
        """Recall and precision over all statements, and the share of sentences with every statement right."""
        ids, truth = self.batch(examples)
        found, truth = self.names(self.net(ids)) > 0, truth.bool()
        both = float((found & truth).sum())
        whole = float((found == truth).all(dim=1).float().mean())
        return {"recall": both / float(truth.sum()), "precision": both / max(float(found.sum()), 1), "whole": whole}


def draw_examples(start: int, count: int, split: str = "train") -> Iterator[Example]:
    """Sentences about an image, a video and an audio in turn, with their statements. Each is about another item."""
    world = World()
    for index in range(start, start + count):
        modality = MODALITIES[index % len(MODALITIES)]
        sentence = world.sentence(index // len(MODALITIES), split, modality)
        yield sentence, statements(sentence, modality)


def _batches(epoch: int, *, batches: int) -> Iterator[list[Example]]:
    for number in range(0, batches, AT_ONCE):
        examples = draw_examples((epoch * batches + number) * SIZE, AT_ONCE * SIZE)
        by_length = sorted(examples, key=lambda example: len(words_of(example[0])))
        # The batches are not trained on from short to long, because neighboring steps would be too similar.
        for k in range(AT_ONCE):
            at = (5 * k) % AT_ONCE
            yield by_length[at * SIZE : (at + 1) * SIZE]


def main(folder: Path, *, steps: int = 5000, seen: int = 60_000, tested: int = 3000) -> None:
    """Train in `folder`, write the weights there, and print the accuracy on unseen sentences."""
    torch.manual_seed(0)
    examples = list(draw_examples(0, seen))
    words = Counter(word for sentence, _ in examples for word in words_of(sentence))
    named = Counter(chain.from_iterable(stated for _, stated in examples))
    reader = SentenceReader(
        sorted(word for word, count in words.items() if count >= 2),
        sorted(statement for statement, count in named.items() if count >= 20),
    )
    task = TrainingTask(
        module=reader,
        objectives=[Objective("loss", list(reader.parameters()), reader.loss)],
        rows=partial(_batches, batches=400),
        batch=reader.batch,
        batches_per_epoch=400,
        batch_size=SIZE,
        label="training the sentence reader",
    )
    options = TrainingOptions(
        steps=steps, learning_rate=2e-3, betas=(0.9, 0.98), warmup_steps=200, batch_size=SIZE, precision="bfloat16"
    )
    train(task, options, folder / "run")
    save_net(reader.net, folder / WEIGHTS.name)
    print(len(reader.named), "statements", reader.eval().accuracy(list(draw_examples(0, tested, "test"))))


if __name__ == "__main__":
    typer.run(exit_cleanly()(main))

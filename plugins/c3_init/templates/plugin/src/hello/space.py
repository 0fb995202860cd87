"""Encoders that count letters. Replace them by those of your model."""

import torch

from c3core import C3Error, Encoder, Reader, Space

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIM = len(LETTERS) + 1


class WordReader(Reader):
    takes_text = True  # a source is the words themselves. Without this line it is the path of a file

    def read(self, source):
        """Turn a source into an item, or say why not."""
        words = source.lower()
        if not any(letter in words for letter in LETTERS):
            raise C3Error("it has no letter")
        return words


class LetterEncoder(Encoder):
    space, dim, license = "hello", DIM, "MIT"

    def __init__(self, modality, gap):
        self.modality, self.gap = modality, gap
        self.fingerprint = f"hello-1-{modality}"  # change it when the embeddings change

    def reader(self):
        return WordReader()

    def embed(self, items):
        """Turn n items into embeddings (n, dim). The last number differs between the modalities, as the gap does."""
        return torch.tensor([[float(item.count(letter)) for letter in LETTERS] + [self.gap] for item in items])


def load(argument, *, device, precision):
    """Make the space. `argument` follows the colon of "hello:…". Put a model on `device`."""
    return Space(
        "hello",
        DIM,
        {"hello": lambda: LetterEncoder("hello", 1.0), "text": lambda: LetterEncoder("text", -1.0)},
    )

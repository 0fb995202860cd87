"""Sentences to token ids and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

END = "<|endoftext|>"


@dataclass(frozen=True)
class Tokens:
    """A batch of sentences, each with the end of text as its last token.

    `ids` (n, t) int64, padded on the right to the longest; `keep` (n, t) bool is true for what is no padding.
    """

    ids: Tensor
    keep: Tensor

    def by_length(self, size: int) -> Iterator[tuple[Tensor, Tokens]]:
        """The batch in parts of `size` rows of near length: their places (k,), and they without needless padding.

        One long sentence would else make all the others as long.
        """
        lengths = self.keep.sum(1)
        for rows in torch.split(lengths.argsort(), size):
            longest = int(lengths[rows].max())
            yield rows, Tokens(self.ids[rows, :longest], self.keep[rows, :longest])


def train_tokenizer(sentences: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most `vocabulary` subwords, learned from a stream of sentences.

    All 256 bytes are in it, so that it can write any text. A word is the same token wherever it stands in a sentence.

    >>> tokenizer = train_tokenizer(["a red circle", "a red square"], 300)
    >>> tokenizer.decode(tokenizer.encode("a red square"))
    ' a red square'
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, clean_up_tokenization_spaces=False)


def encode(
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str], end: int, max_tokens: int
) -> tuple[Tokens, int]:
    """Sentences as `Tokens` on the CPU, and how many were cut to `max_tokens` (the end of text comes on top)."""
    # A sentence that spells a special token out is text: it must not end the sentence.
    rows = tokenizer(
        list(sentences), add_special_tokens=False, return_attention_mask=False, split_special_tokens=True, verbose=False
    )["input_ids"]
    cut = sum(len(row) > max_tokens for row in rows)
    rows = [[*row[:max_tokens], end] for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    longest = int(lengths.max())
    ids = torch.tensor([row + [end] * (longest - len(row)) for row in rows])
    return Tokens(ids, torch.arange(longest) < lengths[:, None]), cut


def kept(ids: Tensor, end: int) -> Tensor:
    """(n, t) generated ids to a bool mask of what counts: everything up to and with the first end of text."""
    before = (ids == end).cumsum(1) - (ids == end).long()  # ends before each place
    return before == 0


def decode(tokenizer: PreTrainedTokenizerBase, ids: Tensor, keep: Tensor) -> list[str]:
    """Token ids as sentences: without special tokens and control characters, with single spaces."""
    rows = [row[mask].tolist() for row, mask in zip(ids, keep, strict=True)]
    texts = tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    plain = ("".join(" " if category(letter) == "Cc" else letter for letter in text) for text in texts)
    return [" ".join(text.split()) for text in plain]

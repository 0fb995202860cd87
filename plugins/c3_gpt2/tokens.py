"""Turn sentences into token ids, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

END = "<|endoftext|>"
UNFINISHED = "\ufffd"  # what the bytes of an unfinished character decode to
CHARACTER = 4  # bytes of the longest character


@dataclass(frozen=True)
class Tokens:
    """A batch of sentences, by default each with the end of text as its last token.

    `ids` is (n, t) int64, padded on the right to the longest sentence. `keep` is (n, t) bool, false for padding.
    """

    ids: Tensor
    keep: Tensor

    def by_length(self, size: int) -> Iterator[tuple[Tensor, Tokens]]:
        """Split the batch into parts of `size` rows of similar length: their places (k,), and the rows.

        Without this, one long sentence would pad all the others to its length.
        """
        lengths = self.keep.sum(1)
        for rows in torch.split(lengths.argsort(), size):
            longest = max(1, int(lengths[rows].max()))
            yield rows, Tokens(self.ids[rows, :longest], self.keep[rows, :longest])


def train_tokenizer(sentences: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE tokenizer of at most `vocabulary` subwords from a stream of sentences.

    It contains all 256 bytes, so that it can write any text. A word is the same token wherever it is in a sentence.

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
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str], end: int, max_tokens: int, *, end_of_text: bool = True
) -> tuple[Tokens, int]:
    """Turn sentences into `Tokens` on the CPU. Also returns how many were cut.

    A sentence is cut to `max_tokens`, without a character that the cut would split. With `end_of_text`, the end of text
    is added to that.
    """
    # A sentence may spell out a special token: it is text, and must not end the sentence.
    rows = tokenizer(
        list(sentences), add_special_tokens=False, return_attention_mask=False, split_special_tokens=True, verbose=False
    )["input_ids"]
    cut = sum(len(row) > max_tokens for row in rows)
    rows = [row if len(row) <= max_tokens else _whole_characters(tokenizer, row[:max_tokens]) for row in rows]
    rows = [[*row, end] if end_of_text else row for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    longest = max(1, int(lengths.max()))
    ids = torch.tensor([row + [end] * (longest - len(row)) for row in rows])
    return Tokens(ids, torch.arange(longest) < lengths[:, None]), cut


def _whole_characters(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Drop the tokens of an unfinished last character."""
    for count in range(len(ids), max(0, len(ids) - CHARACTER), -1):
        if not tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False).endswith(UNFINISHED):
            return ids[:count]
    return ids[: max(0, len(ids) - CHARACTER + 1)]


def until_end(ids: Tensor, end: int) -> Tensor:
    """Return a mask (n, t) of generated ids (n, t): true for everything up to the first end of text, and for that."""
    before = (ids == end).cumsum(1) - (ids == end).long()  # ends before each place
    return before == 0


def stopped(tokenizer: PreTrainedTokenizerBase, ids: Tensor, keep: Tensor, strings: Sequence[str]) -> Tensor:
    """Return a mask (n,) of generated ids (n, t): true for a caption that has one of the strings."""
    texts = decode(tokenizer, ids, keep)
    return torch.tensor([any(string in text for string in strings) for text in texts], device=ids.device)


def decode(tokenizer: PreTrainedTokenizerBase, ids: Tensor, keep: Tensor) -> list[str]:
    """Turn token ids into sentences, without special tokens, control characters and an unfinished last character.

    White space becomes single spaces.
    """
    rows = [row[mask].tolist() for row, mask in zip(ids, keep, strict=True)]
    texts = tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    plain = ("".join(" " if category(letter) == "Cc" else letter for letter in text) for text in texts)
    return [" ".join(text.rstrip(UNFINISHED).split()) for text in plain]

"""Captions of a beam search against a plain search over lists, with captions that end early."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from c3_gpt2.guidance.beams import Beams

WORDS, END, STEPS = 6, 0, 5


def log_probabilities(condition: int, ids: list[int], seed: int) -> Tensor:
    """Any distribution of the next token that depends on all before it."""
    generator = torch.Generator().manual_seed(hash((condition, *ids, seed)) % 2**31)
    return torch.randn(WORDS, generator=generator, dtype=torch.float64).mul(2).log_softmax(dim=0)


def plain_search(condition: int, width: int, seed: int) -> list[list[int]]:
    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(STEPS):
        longer = []
        for total, ids in beams:
            if ids and ids[-1] == END:
                longer.append((total, ids))
            else:
                following = log_probabilities(condition, ids, seed).tolist()
                longer += [(total + value, [*ids, token]) for token, value in enumerate(following)]
        beams = sorted(longer, key=lambda beam: beam[0] / len(beam[1]), reverse=True)[:width]
    return [ids for _, ids in beams]


@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 10_000))
def test_the_captions_are_those_of_a_plain_search(count: int, width: int, seed: int) -> None:
    tokenizer: Any = None  # only stop strings and texts need one
    beams, written = Beams(count, tokenizer, END, width=width), [[] for _ in range(count)]
    for _ in range(STEPS):
        following = [log_probabilities(c, ids, seed) for c, ids in zip(beams.conditions, written, strict=True)]
        before, tokens = beams.extend(torch.stack(following))
        written = [[*written[row], token] for row, token in zip(before, tokens, strict=True)]
        if not tokens:
            break
    found = beams.ids().tolist()
    expected = [ids for condition in range(count) for ids in plain_search(condition, width, seed)]
    assert [ids[: ids.index(END) + 1] if END in ids else ids for ids in found] == expected

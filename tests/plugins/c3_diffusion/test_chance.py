"""Chance of a row's own."""

from __future__ import annotations

import torch
from torch import Tensor

from c3_diffusion.chance import row_generators


def noise(*counts: int, shared: bool = False) -> Tensor:
    """One number of each row, in batches of `counts` rows whose generators come from one."""
    generator = torch.Generator().manual_seed(5)
    found = [torch.randn(3, generator=own) for n in counts for own in row_generators(n, generator, shared=shared)]
    return torch.stack(found) if found else torch.zeros(0, 3)


def test_a_rows_chance_does_not_depend_on_the_others() -> None:
    assert torch.equal(noise(7), noise(3, 4))
    assert torch.equal(noise(7)[:2], noise(2))
    assert not torch.equal(noise(2)[0], noise(2)[1])


def test_shared_chance_is_one_rows_in_every_batch() -> None:
    assert torch.equal(noise(3, shared=True), noise(1).expand(3, -1))
    assert torch.equal(noise(1, 2, shared=True), noise(3, shared=True))  # also of the batches of one call of a pipeline


def test_no_rows_have_no_chance() -> None:
    assert row_generators(0, None) == row_generators(0, None, shared=True) == []


def test_without_a_generator_the_global_one_gives_the_seeds() -> None:
    torch.manual_seed(3)
    first = [own.initial_seed() for own in row_generators(2, None)]
    torch.manual_seed(3)
    assert [own.initial_seed() for own in row_generators(2, None)] == first
    assert len({*first, *(own.initial_seed() for own in row_generators(2, None))}) == 4
    assert len({own.initial_seed() for own in row_generators(4, None, shared=True)}) == 1

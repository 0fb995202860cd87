"""The same noise for all rows."""

from __future__ import annotations

import torch
from torch import Tensor

from c3_diffusion.noise import shared_generators


def draw(*counts: int) -> Tensor:
    """Three numbers for each row, in batches of `counts` rows whose generators come from one."""
    generator = torch.Generator().manual_seed(5)
    return torch.stack([torch.randn(3, generator=own) for n in counts for own in shared_generators(n, generator)])


def test_it_is_one_rows_in_every_batch_and_call() -> None:
    assert torch.equal(draw(3), draw(1).expand(3, -1))
    assert torch.equal(draw(1, 2), draw(3))


def test_without_a_generator_the_global_one_gives_the_seed() -> None:
    seeds = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        seeds.append({own.initial_seed() for own in shared_generators(4, None)})
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(seeds[0]) == 1

"""Chance of a row's own: what is drawn for it does not depend on the rows beside it, nor on the batches they are drawn
in.
"""

from __future__ import annotations

import torch


def row_generators(count: int, generator: torch.Generator | None, *, shared: bool = False) -> list[torch.Generator]:
    """A generator for each of `count` rows, on the processor, seeded from `generator` (None: torch's global one) row by
    row.

    `shared`: all have the seed that is `generator`'s first, whatever was drawn of it before: so it is the same in each
    batch.

    >>> one, two = row_generators(2, torch.Generator().manual_seed(0))
    >>> one.initial_seed() == two.initial_seed()
    False
    """
    if shared and generator is not None:
        generator = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    device = "cpu" if generator is None else generator.device
    seeds = [int(torch.randint(2**62, (), generator=generator, device=device)) for _ in range(count)]
    return [torch.Generator().manual_seed(seeds[0 if shared else row]) for row in range(count)]

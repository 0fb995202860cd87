"""The same noise for all rows, so that their pictures differ only by their conditions."""

from __future__ import annotations

import torch


def shared_generators(count: int, generator: torch.Generator | None) -> list[torch.Generator]:
    """Return a generator with the same seed for each of `count` rows, on the CPU.

    The seed is the first that the initial seed of `generator` gives, so that it is the same in each batch and call. If
    `generator` is None, it comes from torch's global generator.

    >>> one, two = shared_generators(2, torch.Generator().manual_seed(0))
    >>> one.initial_seed() == two.initial_seed()
    True
    """
    if generator is not None:
        generator = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    device = "cpu" if generator is None else generator.device
    seed = int(torch.randint(2**62, (), generator=generator, device=device))
    return [torch.Generator().manual_seed(seed) for _ in range(count)]

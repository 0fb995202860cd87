"""Mix several numbers into one seed."""

from __future__ import annotations


def seed_of(*parts: int) -> int:
    """A 63-bit seed that depends on every one of several numbers and on their order (SplitMix64).

    >>> seed_of(0, 1) != seed_of(1, 0)
    True
    """
    value, mask = 0, (1 << 64) - 1
    for part in parts:
        value = (value + part + 0x9E3779B97F4A7C15) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        value ^= value >> 31
    return value >> 1

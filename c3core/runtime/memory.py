"""Recognise errors that say that memory did not suffice."""

from __future__ import annotations

import errno

# Torch has an error of its own on CUDA, where it allocates itself: elsewhere it raises what any mistake raises.
UNALLOCATED = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "out of memory",
    "alloc_failed",
    "storage size calculation overflowed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("wrong shape"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in UNALLOCATED)

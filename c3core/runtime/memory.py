"""Recognize errors of too little memory."""

from __future__ import annotations

import errno

# Torch has a type for this error only on CUDA. Elsewhere it raises a RuntimeError that contains one of these.
MESSAGES = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "out of memory",
    "alloc_failed",
    "storage size calculation overflowed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("wrong shape"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in MESSAGES)

"""What a request may cost, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

LONGEST_TEXT = 10_000  # characters of a sentence: a tokenizer takes seconds for millions


@dataclass(frozen=True)
class Limits:
    """The most that a request may cost. `option` bounds whole numbers among the options of a decoder."""

    body: int  # bytes
    items: int
    queue: int  # requests that are read, wait or run
    seconds: float
    option: int


@dataclass
class Refused(Exception):
    """A request that is answered with an error: the HTTP status and one line."""

    status: int
    why: str
    headers: dict[str, str] = field(default_factory=dict)

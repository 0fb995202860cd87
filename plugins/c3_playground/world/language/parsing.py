"""Parse the factors that a sentence states.

The sentence is split into the phrases of `lexicon.py`, the longest first, and unknown words are skipped. A pass from
left to right then gives each detail to an object: to the next noun if it follows at once or an article has announced
it, otherwise to the noun before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from c3_playground.world.language import lexicon

Value = str | int


@dataclass(frozen=True, slots=True)
class Factors:
    """What a sentence states.

    `parts` are objects, or events in order of time, as {"shape": "star", …}. `relations` are (index, relation, index)
    of `parts`, with "left of", "right of", "above" and "below", or "before" for sounds.
    """

    modality: str
    parts: tuple[Mapping[str, Value], ...]
    background: str | None = None
    relations: tuple[tuple[int, str, int], ...] = ()


class Token(NamedTuple):
    kind: str
    value: Value


@dataclass(slots=True)
class _Reading:
    """What was parsed so far."""

    parts: list[dict[str, Value]] = field(default_factory=list)
    pending: dict[str, Value] = field(default_factory=dict)
    open: bool = False  # an article or a number has announced a noun
    background: str | None = None
    relations: list[tuple[int, str, int]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)  # of the parts, in time
    earlier: bool = False  # the next part is earlier than the last one

    def to_next(self, kind: str, value: Value) -> None:
        self.pending.setdefault(kind, value)

    def to_last(self, kind: str, value: Value) -> None:
        if self.parts:
            self.parts[-1].setdefault(kind, value)
        else:
            self.to_next(kind, value)

    def noun(self, kind: str, value: Value) -> None:
        at = len(self.order) - 1 if self.earlier else len(self.order)
        self.order.insert(at, len(self.parts))
        self.parts.append({kind: value, **self.pending})
        self.pending, self.open, self.earlier = {}, False, False


_WORD = re.compile(r"[a-z]+|[,.;:]")
_STOP = Token("stop", ",")
_NOUNS = ("shape", "timbre", "timbres")
_DETAILS = ("color", "size", "motion", "pitch", "contour", "loudness")


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def _entries(modality: str) -> Iterator[tuple[str, Token]]:
    """All phrases about a modality, with their tokens."""

    def table(kind: str, *tables: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Token]]:
        for words in tables:
            for value, ways in words.items():
                for way in ways:
                    yield way, Token(kind, value)

    for word in ("a", "an", "the"):
        yield word, Token("article", word)
    if modality == "audio":
        yield from table("timbre", lexicon.TIMBRES)
        yield from table("timbres", lexicon.TIMBRE_PLURALS)
        yield from table("pitch", lexicon.PITCHES)
        yield from table("contour", lexicon.CONTOURS, lexicon.CONTOUR_PARTICIPLES, lexicon.CONTOUR_CLAUSES)
        yield from table("loudness", lexicon.LOUDNESSES)
        yield from table("background", lexicon.SOUND_BACKGROUNDS)
        yield from ((word, Token("number", number)) for number, word in lexicon.NUMBERS.items())
        yield from ((word, Token("times", number)) for number, word in lexicon.TIMES.items())
        yield "after", Token("after", "after")
        return
    yield from table("shape", lexicon.SHAPES)
    yield from table("color", lexicon.COLORS)
    yield from table("size", lexicon.SIZES)
    yield from table("relation", lexicon.RELATIONS)
    yield "it", Token("it", "it")
    for place, ways in lexicon.PLACES.items():
        for way in ways:
            yield way, Token("place", place)
            yield way.split(" the ")[1], Token("place", place)
        yield place, Token("place", place)
    for background, ways in lexicon.BACKGROUNDS.items():
        for way in ways:
            for noun in lexicon.BACKGROUND_NOUNS:
                yield f"{way} {noun}", Token("background", background)
            for preposition in lexicon.BACKGROUND_PREPOSITIONS:
                yield f"{preposition} {way}", Token("bare background", background)
                yield f"{preposition} a {way}", Token("bare background", background)
    if modality == "video":
        yield from table("motion", lexicon.MOTIONS, lexicon.MOTION_PARTICIPLES, lexicon.MOTION_ADJECTIVES)


@cache
def _phrases(modality: str) -> dict[str, list[tuple[tuple[str, ...], Token]]]:
    """The phrases by their first word, the longest first."""
    phrases: dict[str, list[tuple[tuple[str, ...], Token]]] = {}
    for phrase, token in _entries(modality):
        words = _words(phrase)
        phrases.setdefault(words[0], []).append((words, token))
    for known in phrases.values():
        known.sort(key=lambda entry: -len(entry[0]))
    return phrases


def _tokens(sentence: str, modality: str) -> list[Token]:
    words = _words(sentence)
    phrases = _phrases(modality)
    tokens = []
    at = 0
    while at < len(words):
        for phrase, token in phrases.get(words[at], ()):
            if words[at : at + len(phrase)] != phrase:
                continue
            after = words[at + len(phrase)] if at + len(phrase) < len(words) else ","
            if token.kind == "bare background" and _begins_an_object(after, phrases):
                continue
            tokens.append(Token("background", token.value) if token.kind == "bare background" else token)
            at += len(phrase)
            break
        else:
            tokens.append(_STOP)
            at += 1
    return tokens


def _begins_an_object(word: str, phrases: dict[str, list[tuple[tuple[str, ...], Token]]]) -> bool:
    return any(token.kind in ("shape", "color", "size") for _, token in phrases.get(word, ()))


def _noun_follows(tokens: list[Token], at: int) -> bool:
    """Whether only details come between position `at` and the next noun."""
    for token in tokens[at:]:
        if token.kind in _NOUNS:
            return True
        if token.kind not in _DETAILS:
            return False
    return False


def parse(sentence: str, modality: str) -> Factors:
    """The factors that a caption of `modality` ("image", "video" or "audio") states.

    Any text can be parsed. Text without a known noun has no parts.

    >>> parse("a big red disc left of a blue star on black", "image").parts
    ({'shape': 'circle', 'size': 'large', 'color': 'red'}, {'shape': 'star', 'color': 'blue'})
    >>> parse("a high beep after two drum hits", "audio").parts[0]
    {'timbre': 'drum', 'count': 2}
    """
    tokens = _tokens(sentence, modality)
    reading = _Reading()
    for at, (kind, value) in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else _STOP
        count = len(reading.parts)
        if kind == "article":
            reading.open = True
            if modality == "audio" and value != "the":
                reading.to_next("count", 1)
        elif kind == "number":
            reading.open = True
            reading.pending["count"] = value
        elif kind in ("shape", "timbre"):
            reading.noun(kind, value)
        elif kind == "timbres":
            if reading.pending.get("count") == 1:  # "a recording of beeps": the article belongs to another noun
                del reading.pending["count"]
            reading.noun("timbre", value)
        elif kind == "times":
            if count:
                reading.parts[-1]["count"] = value
        elif kind in _DETAILS:
            if reading.open or _noun_follows(tokens, at + 1):
                reading.to_next(kind, value)
            else:
                reading.to_last(kind, value)
        elif kind == "place":
            taken = count > 0 and "place" in reading.parts[-1]
            if reading.open or not count or taken:
                reading.to_next(kind, value)
            else:
                reading.to_last(kind, value)
        elif kind == "background":
            reading.background = reading.background or str(value)
            reading.open = False
        elif kind == "relation":
            if following.kind == "it":
                reading.relations.append((count - 1, str(value), count - 2))
            elif count == 0:  # "above a star is a ring"
                reading.relations.append((1, str(value), 0))
            else:
                reading.relations.append((count - 1, str(value), count))
        elif kind == "after":
            reading.earlier = count > 0
    return _factors(reading, modality)


def _factors(reading: _Reading, modality: str) -> Factors:
    count = len(reading.parts)
    if modality == "audio":
        parts = tuple(reading.parts[index] for index in reading.order)
        relations = [(index, "before", index + 1) for index in range(count - 1)]
    else:
        parts = tuple(reading.parts)
        relations = [r for r in reading.relations if 0 <= r[0] < count and 0 <= r[2] < count]
    return Factors(modality, parts, reading.background, tuple(relations))

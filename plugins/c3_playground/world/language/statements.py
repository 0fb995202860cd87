"""What a sentence states, one by one: "ring red", "ring at top", "ring left of", "left of square"."""

from __future__ import annotations

from itertools import combinations

from c3_playground.world.language.parsing import parse

# "left" is a place, and a way to move.
_SAID = {"place": "at {}", "count": "{} times"}
# So that each relation is stated in one way.
_REVERSED = {"right of": "left of", "below": "above"}


def statements(sentence: str, modality: str) -> list[str]:
    """The statements of a sentence about an item of `modality`: each factor of a part, each two of one part, and
    relations.

    Relations are stated side by side ("ring left of", "left of square") and not whole ("ring left of square"): of those
    there are so many, and each so rare, that a network hardly learns to name them.

    >>> statements("a red ring below a star on white", "image")
    ['ring', 'red', 'ring red', 'star', 'star above', 'above ring', 'above red', 'on white']
    """
    stated = parse(sentence, modality)
    found: list[str] = []
    parts = [[_SAID.get(name, "{}").format(value) for name, value in part.items()] for part in stated.parts]
    for values in parts:
        found += values
        found += [f"{one} {other}" for one, other in combinations(values, 2)]
    for first, relation, second in stated.relations:
        if relation in _REVERSED:
            first, relation, second = second, _REVERSED[relation], first
        found += [f"{one} {relation}" for one in parts[first]]
        found += [f"{relation} {other}" for other in parts[second]]
    if stated.background is not None:
        found.append(f"on {stated.background}")
    return list(dict.fromkeys(found))

"""List what a sentence states: "ring red", "ring at top", "ring left of", "left of square"."""

from __future__ import annotations

from itertools import combinations

from c3_playground.world.language.parsing import parse

# A place is written "at left", because "left" is also a motion.
_FORMS = {"place": "at {}", "count": "{} times"}
# Each relation is written in one direction.
_REVERSED = {"right of": "left of", "below": "above"}


def statements(sentence: str, modality: str) -> list[str]:
    """The statements of a sentence: each factor of a part, each two factors of one part, and each side of a relation.

    A relation is listed by its sides ("ring left of", "left of square"). Whole relations ("ring left of square") are so
    many and so rare that a network hardly learns to name them.

    >>> statements("a red ring below a star on white", "image")
    ['ring', 'red', 'ring red', 'star', 'star above', 'above ring', 'above red', 'on white']
    """
    stated = parse(sentence, modality)
    found: list[str] = []
    parts = [[_FORMS.get(name, "{}").format(value) for name, value in part.items()] for part in stated.parts]
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

"""Score a caption against the factors of the scene that it should describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

from c3_playground.world.language.parsing import Factors, Value, parse
from c3_playground.world.scenes import Scene

__all__ = ["Factors", "accuracy", "consistent", "parse"]

# What a caption must state about every object or event.
REQUIRED: dict[str, tuple[str, ...]] = {
    "image": ("shape", "color"),
    "video": ("shape", "color", "motion"),
    "audio": ("timbre",),
}
# What counts only if a caption states it.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "image": ("size", "place"),
    "video": ("size", "place"),
    "audio": ("pitch", "count", "contour", "loudness"),
}
_MOST_MATCHED = 6  # parts of a caption; further ones count as invented


def _scored(stated: Mapping[str, Value], part: object, modality: str) -> tuple[int, int]:
    """The numbers (right, counted) of factors of one stated part, compared with a true one."""
    right = counted = 0
    for name in REQUIRED[modality]:
        counted += 1
        right += stated.get(name) == getattr(part, name)
    for name in OPTIONAL[modality]:
        truth = getattr(part, name)
        if name in stated and truth is not None:
            counted += 1
            right += stated[name] == truth
    return right, counted


def _matchings(stated: int, true: int) -> Iterator[tuple[int | None, ...]]:
    """All one-to-one matchings, as large as possible: for each true part the index of a stated part, or None."""
    slots: list[int | None] = list(range(min(stated, _MOST_MATCHED)))
    slots += [None] * (true - len(slots))
    yield from dict.fromkeys(permutations(slots, true))


def _rest(factors: Factors, scene: Scene, matching: tuple[int | None, ...]) -> tuple[int, int]:
    """The numbers (right, counted) of relations and background. Invented parts count as wrong."""
    true_of = {stated: true for true, stated in enumerate(matching) if stated is not None}
    right = counted = 0
    for first, relation, second in factors.relations:
        counted += 1
        if first in true_of and second in true_of:
            right += scene.holds(true_of[first], relation, true_of[second])
    if factors.background is not None:
        counted += 1
        right += factors.background == scene.background
    invented = max(len(factors.parts) - len(scene.parts), 0)
    return right, counted + invented * len(REQUIRED[scene.modality])


def accuracy(sentence: str, scene: Scene) -> float:
    """The share of factors that a caption states right, from 0 to 1.

    These factors count:

    - The required factors of every true object or event: shape and color (image); shape, color and motion (video);
      timbre (audio). They count as wrong if the caption leaves them out.
    - What the caption states beside them: size and place (image, video); pitch, count, contour and loudness (audio);
      the background; each relation ("left of", "above", …, and the order of sounds). A detail that the object does not
      have, such as the pitch of a click, does not count.
    - The required factors of invented objects, which are more than the true ones. They count as wrong.

    Stated and true objects are matched one to one, so that the share is highest. A caption without a known noun scores
    0.

    >>> from c3_playground.world.scenes import PictureScene, Thing
    >>> scene = PictureScene((Thing("circle", "red", "small", "top"), Thing("star", "blue", "large", "left")), "black")
    >>> accuracy("a red circle and a large blue star", scene)
    1.0
    >>> accuracy("a red circle", scene), accuracy("a red circle and a pink star", scene)
    (0.5, 0.75)
    """
    factors = parse(sentence, scene.modality)
    if not factors.parts:
        return 0.0
    missing = (0, len(REQUIRED[scene.modality]))
    best = 0.0
    for matching in _matchings(len(factors.parts), len(scene.parts)):
        pairs = zip(matching, scene.parts, strict=True)
        counts = [missing if i is None else _scored(factors.parts[i], part, scene.modality) for i, part in pairs]
        counts.append(_rest(factors, scene, matching))
        best = max(best, sum(right for right, _ in counts) / sum(counted for _, counted in counts))
    return best


def consistent(factors: Factors, scene: Scene) -> bool:
    """Whether everything that `factors` states is true of `scene`. The scene may hold more than that."""
    if not factors.parts or len(factors.parts) > len(scene.parts):
        return False
    if factors.background not in (None, scene.background):
        return False
    for matching in permutations(range(len(scene.parts)), len(factors.parts)):
        pairs = zip(factors.parts, matching, strict=True)
        if all(getattr(scene.parts[i], name) == value for part, i in pairs for name, value in part.items()) and all(
            scene.holds(matching[first], relation, matching[second]) for first, relation, second in factors.relations
        ):
            return True
    return False

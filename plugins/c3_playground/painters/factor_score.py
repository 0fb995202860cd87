"""Score pictures by the factors of their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray

from c3_playground.painters.factor_network import NOTHING, FactorReader
from c3_playground.world import parse
from c3_playground.world.scenes import PictureScene

FACTORS = ("shape", "color", "place")


def factor_score(sentence: str, seen: PictureScene) -> dict[str, tuple[int, int]]:
    """The numbers (right, stated) of shapes, colors and places: what the sentence states, compared with a picture.

    Stated and seen objects are matched one to one in the way that is best for the picture: an object of another shape
    in the right color has its color right. If fewer objects are seen than stated, all factors of the others are wrong.
    Objects beyond the stated ones cost nothing. A relation ("left of") counts as a place.

    >>> from c3_playground.world.scenes import Thing
    >>> seen = PictureScene((Thing("ring", "red", None, "left"), Thing("star", "blue", None, "top")), "")
    >>> factor_score("a red ring to the left of a green star", seen)
    {'shape': (2, 2), 'color': (1, 2), 'place': (1, 1)}
    """
    stated = parse(sentence, "image")
    slots = [*range(len(seen.things)), *[None] * len(stated.parts)]
    best: dict[str, tuple[int, int]] = {}
    for chosen in dict.fromkeys(permutations(slots, len(stated.parts))):
        score = {factor: [0, 0] for factor in FACTORS}
        for part, index in zip(stated.parts, chosen, strict=True):
            for factor in part.keys() & set(FACTORS):
                score[factor][0] += index is not None and getattr(seen.things[index], factor) == part[factor]
                score[factor][1] += 1
        for first, relation, second in stated.relations:
            one, other = chosen[first], chosen[second]
            score["place"][0] += one is not None and other is not None and seen.holds(one, relation, other)
            score["place"][1] += 1
        if not best or sum(right for right, _ in score.values()) > sum(right for right, _ in best.values()):
            best = {factor: (right, counted) for factor, (right, counted) in score.items()}
    return best


def factor_accuracy(
    reader: FactorReader, sentences: Sequence[str], pictures: Sequence[NDArray[np.uint8]]
) -> dict[str, float]:
    """Shares from 0 to 1 of the stated shapes, colors and places that the pictures show, and their `mean`.

    `exact` is the share of pictures that show all that is stated, and no object beyond that. `objects` is the mean
    number of objects in a picture. A factor that no sentence states is left out.
    """
    totals = {factor: np.zeros(2) for factor in FACTORS}
    exact, seen = 0, reader.scenes(pictures)
    for sentence, scene in zip(sentences, seen, strict=True):
        found = factor_score(sentence, scene)
        exact += all(right == stated for right, stated in found.values()) and len(scene.things) == len(
            parse(sentence, "image").parts
        )
        for factor, counts in found.items():
            totals[factor] += counts
    shares = {factor: float(right / counted) for factor, (right, counted) in totals.items() if counted}
    objects = float(np.mean([len(scene.things) for scene in seen]))
    return {**shares, "mean": float(np.mean(list(shares.values()))), "exact": exact / len(seen), "objects": objects}


def inception_score(reader: FactorReader, pictures: Sequence[NDArray[np.uint8]]) -> float:
    """The inception score, exp of the mean KL(p(y | picture) ‖ p(y)), from 1 to 72.

    y is the shape and color of the object that the reader is surest of.
    """
    shapes, colors = reader.probabilities(pictures)
    place = shapes[..., NOTHING].argmin(dim=1)
    rows = torch.arange(len(shapes))
    shape = shapes[rows, place, :NOTHING]
    joint = ((shape / shape.sum(-1, keepdim=True)).unsqueeze(2) * colors[rows, place].unsqueeze(1)).flatten(1).double()
    divergence = (joint * (joint.clamp_min(1e-12).log() - joint.mean(0).clamp_min(1e-12).log())).sum(-1)
    return float(divergence.mean().exp())


def factor_figures(
    reader: FactorReader, sentences: Sequence[str], pictures: Sequence[NDArray[np.uint8]]
) -> dict[str, float]:
    """In %: `factors` (the mean), `shape`, `color`, `place` and `exact`. As numbers: `objects` and `inception`."""
    found = factor_accuracy(reader, sentences, pictures)
    objects, mean = found.pop("objects"), found.pop("mean")
    shares = {"factors": 100 * mean, **{name: 100 * share for name, share in found.items()}}
    return {**shares, "objects": objects, "inception": inception_score(reader, pictures)}

"""Draw sentences with a painter, and score the drawings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from c3_playground.painters.factor_network import FactorReader
from c3_playground.painters.factor_score import factor_figures
from c3_playground.world import Item
from c3core import Pipeline
from c3core.media import Picture
from c3core.metrics import embedding_metrics

COLUMNS = {"factors": "factors %", "shape": "shape %", "color": "color %", "place": "place %", "exact": "exact %"}
COLUMNS |= {"r1": "R@1 %", "fid": "FID", "kid": "KID", "inception": "IS"}


def draw(pipeline: Pipeline, items: Sequence[Item], *, seed: int = 0, best_of: int = 1) -> list[Picture]:
    """A picture of each item's first sentence: of `best_of`, the one with the nearest embedding."""
    sentences = [item.sentences[0] for item in items]
    return [np.asarray(picture) for picture in pipeline(sentences, modality="text", seed=seed, best_of=best_of)]


def score(
    pipeline: Pipeline, items: Sequence[Item], pictures: Sequence[Picture], reader: FactorReader, *, seed: int = 0
) -> dict[str, Any]:
    """The figures of pictures that were drawn of the items' first sentences.

    FID and KID (× 1000; left out for too few pictures) are of the embeddings of the playground's image encoder, against
    the items' true pictures. They cannot be compared with those of Inception. The inception score is of the factor
    reader's classes.
    """
    sentences, encoder = [item.sentences[0] for item in items], pipeline.space.encoder("image")
    made, truth = encoder.encode(pictures), encoder.encode([item.data for item in items])
    asked = pipeline.space.encode(sentences, "text")
    found, _ = embedding_metrics(made, truth, asked, seed=seed)
    factors = factor_figures(reader, sentences, pictures)
    inception = factors.pop("inception")
    distances = {name: 1000 * found[key] for name, key in (("fid", "fid"), ("kid", "kid_mean")) if key in found}
    return {**factors, "r1": found["r1"], **distances, "inception": inception}


def bounds(items: Sequence[Item], reader: FactorReader, pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The figures of true pictures, which no painter can surpass, and of other items' pictures, right by chance."""
    true = [item.data for item in items]
    pictures = {"true pictures": true, "those of other sentences": [*true[1:], *true[:1]]}
    return {name: score(pipeline, items, those, reader) for name, those in pictures.items()}

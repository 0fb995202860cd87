"""FID, KID and inception score of pictures by Inception v3, as `c3 evaluate PAINTER TABLE --metric inception`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from c3core.contracts import BadItem
from c3core.errors import C3Error, NotInstalled
from c3core.media import ImageReader
from c3core.metrics import inception_features, inception_metrics, load_inception

BATCH = 64
WEIGHTS = "C3_INCEPTION"  # the environment variable that names the file
SOURCE = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


def inception(inputs: Sequence[Any], outputs: Sequence[Any], references: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Compare pictures with all distinct true pictures of the table.

    Returns `inception_fid`, `inception_kid_mean`, `inception_kid_std` and `inception_score`: see
    `c3core.metrics.inception_metrics`. Raises `C3Error` if the weights are missing, or if no true picture can be read.
    """
    network = load_inception(weights_file(), device="cuda" if torch.cuda.is_available() else "cpu")
    every = (source for several in references for source in several)
    distinct = {source if isinstance(source, str) else id(source): source for source in every}
    reader = ImageReader()
    true = features_of(network, (reader(source) for source in distinct.values()))
    found = inception_metrics(features_of(network, iter(outputs)), true)
    return {name if name == "inception_score" else f"inception_{name}": value for name, value in found.items()}


def features_of(network: Any, pictures: Iterator[Any]) -> tuple[Tensor, Tensor]:
    """Return `inception_features` of pictures of any sizes, batch by batch. A `BadItem` is left out."""
    found = []
    bad: list[BadItem] = []
    while batch := list(islice(pictures, BATCH)):
        sizes: dict[Any, list[Any]] = {}
        for picture in batch:
            if isinstance(picture, BadItem):
                bad.append(picture)
            else:
                sizes.setdefault(np.shape(picture), []).append(np.asarray(picture))
        found += [inception_features(network, several) for several in sizes.values()]
    if not found:
        raise C3Error(f"no picture could be read: {bad[0] if bad else 'there is none'}")
    features, logits = zip(*found, strict=True)
    return torch.cat(features), torch.cat(logits)


def weights_file() -> Path:
    """Return the file of Inception's weights. Raises `NotInstalled` with how to get it if it is not there."""
    named = os.environ.get(WEIGHTS)
    path = Path(named) if named else Path(torch.hub.get_dir()) / "checkpoints" / "inception.safetensors"
    if not path.is_file():
        raise NotInstalled(
            f"Inception's weights are not at {path}. Download {SOURCE}, then run: c3 convert"
            f" {SOURCE.rpartition('/')[2]} {path} (or name another file in {WEIGHTS})."
        )
    return path

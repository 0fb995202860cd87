"""FID, KID and inception score of pictures by Inception v3, as `c3 evaluate PAINTER TABLE --metric inception`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from c3core.contracts import BadItem
from c3core.errors import C3Error, CorruptFile, NotInstalled, WrongCall, lines_of
from c3core.media import ImageReader, Picture
from c3core.metrics import fid_and_kid

BATCH = 64
WEIGHTS = "C3_INCEPTION"  # the environment variable that names the file
SOURCE = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


def inception(inputs: Sequence[Any], outputs: Sequence[Any], references: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Compare pictures with all distinct true pictures of the table.

    Returns `inception_fid`, `inception_kid_mean`, `inception_kid_std` and `inception_score`: see
    `inception_metrics`. Raises `C3Error` if the weights are missing, or if no true picture can be read.
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


def load_inception(path: Path, *, device: str | torch.device = "cpu") -> Any:
    """Load torch-fidelity's Inception v3, by which FID is defined, with its published weights in a `.safetensors` file.

    `c3 convert weights-inception-2015-12-05-6726825d.pth inception.safetensors` makes that file without running code in
    it. Raises `NotInstalled` without torch-fidelity, and `CorruptFile` for weights of another network.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise NotInstalled('Inception needs torch-fidelity. Run: pip install "c3core[metrics]"') from None
    weights = io.BytesIO()  # the class reads a pickle: give it one that holds nothing but these tensors
    try:
        torch.save(load_file(path), weights)
        weights.seek(0)
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=weights
        ).to(device)
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = lines_of(error)[-1]
        raise CorruptFile(
            f"{path} does not hold Inception's weights ({reason}). Convert torch-fidelity's with `c3 convert`."
        ) from None


@torch.inference_mode()
def inception_features(network: Any, pictures: Sequence[Picture]) -> tuple[Tensor, Tensor]:
    """Return pooled features (n, 2048) and unbiased logits (n, 1008) of uint8 pictures (h, w, 3) of one size.

    `network` comes from `load_inception`. A processor takes most of a second for a picture: compute those of the true
    pictures once. Raises `WrongCall` without a picture.
    """
    if not len(pictures):
        raise WrongCall("there are no pictures to score. Give at least two.")
    device = next(network.parameters()).device
    batches = (np.stack(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH))
    found = (network(torch.from_numpy(batch).permute(0, 3, 1, 2).to(device)) for batch in batches)
    pooled, logits = zip(*found, strict=True)
    return torch.cat(pooled).cpu(), torch.cat(logits).cpu()


def inception_metrics(
    outputs: tuple[Tensor, Tensor], references: tuple[Tensor, Tensor], *, seed: int = 0
) -> dict[str, float]:
    """Compare the `inception_features` of pictures with those of true pictures.

    Returns `fid`, `kid_mean`, `kid_std` and `inception_score` (over 10 splits). FID is too high for fewer than some ten
    thousand pictures; KID is left out for fewer than 100 on either side.
    """
    from torch_fidelity.metric_isc import isc_features_to_metric

    features, logits = outputs
    score = isc_features_to_metric(logits, splits=min(10, len(logits)), rng_seed=seed)
    return {**fid_and_kid(features, references[0], seed=seed)[0], "inception_score": score["inception_score_mean"]}

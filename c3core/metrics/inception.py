"""FID, KID and inception score by Inception v3, as the literature has them, where its weights are at hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from c3core.errors import C3Error, CorruptFile, NotInstalled, lines_of
from c3core.media.image_decoder import Picture
from c3core.metrics.fid import distances

BATCH = 64


def load_inception(path: Path) -> Any:
    """torch-fidelity's Inception v3, the one that FID was defined with, with its published weights as a `.safetensors`
    file.

    `c3 convert weights-inception-2015-12-05-6726825d.pth inception.safetensors` makes that file without running code in
    it. Raises `C3Error` where torch-fidelity is missing, or the file is not of that network.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise NotInstalled(
            'torch-fidelity is missing, which brings Inception. Run: pip install "c3core[metrics]"'
        ) from None
    weights = io.BytesIO()  # the class unpickles what it is given: that is made here, of tensors alone
    try:
        torch.save(load_file(path), weights)
        weights.seek(0)
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=weights
        )
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = lines_of(error)[-1]
        raise CorruptFile(
            f"{path} does not hold Inception's weights ({reason}). Convert torch-fidelity's with `c3 convert`."
        ) from None


@torch.inference_mode()
def inception_features(network: Any, pictures: Sequence[Picture]) -> tuple[Tensor, Tensor]:
    """Pooled features (n, 2048) and unbiased logits (n, 1008) of uint8 pictures (h, w, 3) of one size.

    `network` is of `load_inception`. It takes a good part of a second a picture on a processor: keep those of the true
    pictures.
    """
    if not len(pictures):
        raise C3Error("there are no pictures to measure. Give at least two.")
    batches = [np.stack(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
    pooled, logits = zip(*(network(torch.from_numpy(batch).permute(0, 3, 1, 2)) for batch in batches), strict=True)
    return torch.cat(pooled), torch.cat(logits)


def inception_metrics(made: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor], *, seed: int = 0) -> dict[str, float]:
    """`fid`, `kid_mean`, `kid_std` and `inception_score` (over 10 splits) of pictures' `inception_features` against
    true ones'.

    FID is biased upwards for fewer pictures than some ten thousand; KID needs 100 of each side and is left out below.
    """
    from torch_fidelity.metric_isc import isc_features_to_metric

    features, logits = made
    score = isc_features_to_metric(logits, splits=min(10, len(logits)), rng_seed=seed)
    return {**distances(features, truth[0], seed=seed)[0], "inception_score": score["inception_score_mean"]}

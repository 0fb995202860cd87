"""Metrics of outputs that are not text, on their embeddings: FID and KID against true items, retrieval of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from c3core.errors import C3Error
from c3core.metrics.retrieval import retrieval_metrics

GROUP = 100  # inputs that an output's own is looked for among
SUBSET = 100  # items a subset of KID


@dataclass(frozen=True)
class EmbeddedScores:
    """Figures of `n` outputs: `fid`, `kid_mean`, `kid_std`, and `r1`, the share (in %) whose input is nearest in its
    group.

    `features` names the encoder whose embeddings stand in for Inception's: its figures compare with themselves alone.
    """

    n: int
    group: int  # inputs that an output's own was looked for among
    features: str
    scores: dict[str, float]
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values: each score under its own name, beside "n", "group", "features" and "left_out"."""
        return {
            **self.scores,
            "n": self.n,
            "group": self.group,
            "features": self.features,
            "left_out": dict(self.left_out),
        }


def embedded_metrics(outputs: Tensor, truth: Tensor, inputs: Tensor, *, features: str, seed: int = 0) -> EmbeddedScores:
    """Compare outputs (n, d) with true items (m, d) and with what they were made of, `inputs` (n, d); all unit
    embeddings.

    FID and KID are torch-fidelity's: FID compares mean and covariance, and is biased upwards where there are fewer
    items than a few times d; KID is the mean over subsets of 100. For `r1` the mean of the true items is taken from the
    outputs and that of the inputs from the inputs, so that the gap between the modalities plays no part; groups of 100
    are in the order given, and a last group that is smaller is left out unless it is the only one.

    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.randn(200, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    >>> scores = embedded_metrics(rows, rows, rows, features="random rows").scores
    >>> abs(scores["fid"]) < 1e-6, scores["r1"]
    (True, 100.0)
    """
    if len(outputs) != len(inputs) or not len(outputs) or outputs.shape[1] != truth.shape[1]:
        raise C3Error(f"each output needs its input: got {len(outputs)} outputs and {len(inputs)} inputs.")
    shown, asked = outputs - truth.mean(0), inputs - inputs.mean(0)
    group = min(GROUP, len(outputs))
    groups = [slice(start, start + GROUP) for start in range(0, max(len(outputs) - GROUP + 1, 1), GROUP)]
    found = [retrieval_metrics(shown[one], asked[one])["x_to_y"]["r1"] for one in groups]
    scores, left_out = distances(outputs, truth, seed=seed)
    return EmbeddedScores(len(outputs), group, features, {"r1": 100 * sum(found) / len(found), **scores}, left_out)


def distances(outputs: Tensor, truth: Tensor, *, seed: int = 0) -> tuple[dict[str, float], dict[str, str]]:
    """torch-fidelity's FID and KID of features (n, d) against those of true items (m, d), and what was left out with
    the reason.
    """
    scores, left_out = dict[str, float](), dict[str, str]()
    try:
        from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
        from torch_fidelity.metric_kid import kid_features_to_metric
    except ImportError:
        left_out["fid"] = left_out["kid"] = 'torch-fidelity is missing: pip install "c3core[metrics]".'
        return scores, left_out
    rows = [outputs.double().cpu(), truth.double().cpu()]
    if min(map(len, rows)) < 2:
        left_out["fid"] = "FID needs at least two outputs and two true items."
    else:
        statistics = [fid_features_to_statistics(one) for one in rows]
        found = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
        scores["fid"] = max(0.0, found)  # of the same items rounding may bring it below
    if min(map(len, rows)) < SUBSET:
        left_out["kid"] = f"KID needs at least {SUBSET} outputs and {SUBSET} true items."
    else:
        options = {"kid_subsets": 100, "kid_subset_size": SUBSET, "rng_seed": seed, "verbose": False}
        kid = kid_features_to_metric(*rows, **options)
        scores["kid_mean"] = kid["kernel_inception_distance_mean"]
        scores["kid_std"] = kid["kernel_inception_distance_std"]
    return scores, left_out

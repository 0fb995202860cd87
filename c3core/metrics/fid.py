"""Score outputs that are not text by their embeddings: FID and KID, and retrieval of the input."""

from __future__ import annotations

from torch import Tensor

from c3core.errors import WrongCall
from c3core.metrics.retrieval import retrieval_metrics

GROUP = 100  # inputs among which the input of an output is looked for
SUBSET = 100  # items in a subset of KID


def embedding_metrics(
    outputs: Tensor, references: Tensor, inputs: Tensor, *, seed: int = 0
) -> tuple[dict[str, float], dict[str, str]]:
    """Compare outputs (n, d) with true items (m, d) and with their own inputs (n, d), all of them unit embeddings.

    Returns `fid`, `kid_mean`, `kid_std` and `r1`, and what is left out, with the reason. Only scores of embeddings of
    one encoder can be compared. FID and KID are those of torch-fidelity. FID compares mean and covariance; it is too
    high for fewer items than a few times d. KID is the mean over subsets of 100 items.

    `r1` is the share in % of outputs whose own input is the nearest of its group: 100 rows in the given order, where a
    smaller last group is left out unless it is the only one. The mean of the true items is subtracted from the outputs,
    and the mean of the inputs from the inputs, so that the gap between the modalities has no effect.

    Raises `WrongCall` for shapes that do not fit.

    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.randn(200, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    >>> scores, _ = embedding_metrics(rows, rows, rows)
    >>> abs(scores["fid"]) < 1e-6, scores["r1"]
    (True, 100.0)
    """
    if len(outputs) != len(inputs) or not len(outputs) or outputs.shape[1] != references.shape[1]:
        shapes = ", ".join(f"{tuple(rows.shape)}" for rows in (outputs, references, inputs))
        raise WrongCall(f"outputs, true items and inputs must be (n, d), (m, d) and (n, d), got {shapes}.")
    x, y = outputs - references.mean(0), inputs - inputs.mean(0)
    starts = range(0, max(len(outputs) - GROUP + 1, 1), GROUP)
    r1 = [retrieval_metrics(x[i : i + GROUP], y[i : i + GROUP])["x_to_y"]["r1"] for i in starts]
    scores, left_out = fid_and_kid(outputs, references, seed=seed)
    return {"r1": 100 * sum(r1) / len(r1), **scores}, left_out


def fid_and_kid(outputs: Tensor, references: Tensor, *, seed: int = 0) -> tuple[dict[str, float], dict[str, str]]:
    """Compare features (n, d) with those of true items (m, d), by torch-fidelity.

    Returns `fid`, `kid_mean` and `kid_std`, and what is left out, with the reason.
    """
    scores, left_out = dict[str, float](), dict[str, str]()
    try:
        from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
        from torch_fidelity.metric_kid import kid_features_to_metric
    except ImportError:
        reason = 'torch-fidelity is not installed. Run: pip install "c3core[metrics]"'
        return {}, {"fid": reason, "kid": reason}
    rows = [outputs.double().cpu(), references.double().cpu()]
    if min(map(len, rows)) < 2:
        left_out["fid"] = "FID needs at least two outputs and two true items."
    else:
        fid = fid_statistics_to_metric(*map(fid_features_to_statistics, rows), verbose=False)
        scores["fid"] = max(0.0, fid["frechet_inception_distance"])  # rounding may make it negative for equal items
    if min(map(len, rows)) < SUBSET:
        left_out["kid"] = f"KID needs at least {SUBSET} outputs and {SUBSET} true items."
    else:
        kid = kid_features_to_metric(*rows, kid_subsets=100, kid_subset_size=SUBSET, rng_seed=seed, verbose=False)
        scores["kid_mean"] = kid["kernel_inception_distance_mean"]
        scores["kid_std"] = kid["kernel_inception_distance_std"]
    return scores, left_out

"""The contrastive loss of paired embeddings (section 2.3 of the C3 paper), and the model that it trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.nn import functional as F

from c3core.contracts import Tower
from c3core.metrics.retrieval import retrieval_metrics
from c3core.spaces.dataset import ColumnDataset, PairDataset

MEASURE_BATCH = 256  # items embedded at a time to measure a space


def info_nce(x: Tensor, y: Tensor, scale: Tensor | float, *, symmetric: bool = True) -> Tensor:
    """Symmetric InfoNCE of paired embeddings (n, dim) of unit norm; row i of `x` belongs to row i of `y`.

    L = −1/(2n) Σᵢ [log softmaxⱼ(xᵢ·yⱼ/τ)ᵢ + log softmaxⱼ(xⱼ·yᵢ/τ)ᵢ] with scale = 1/τ. With a small fixed τ the loss is
    near zero in a region around each pair (Lemma 2), and no gradient crosses the gap (Lemma 1): so bridges are needed.
    Without `symmetric`, L = −1/n Σᵢ log softmaxⱼ(xᵢ·yⱼ/τ)ᵢ: each row of `x` finds its `y`.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    logits = scale * x @ y.T
    target = torch.arange(len(x), device=x.device)
    forward = F.cross_entropy(logits, target)
    return 0.5 * (forward + F.cross_entropy(logits.T, target)) if symmetric else forward


class Temperature(nn.Module):
    """The scale 1/τ of the loss: fixed, or learned in log space with a maximum of 100, as in CLIP."""

    def __init__(self, temperature: float, *, learned: bool) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learned)

    def forward(self) -> Tensor:
        if self.log_scale.requires_grad:
            with torch.no_grad():  # clamp the parameter itself: a clamped copy would get no gradient to come back
                self.log_scale.clamp_(max=math.log(100.0))
        return self.log_scale.exp()


class ContrastiveModel(nn.Module):
    """Towers, their heads and the temperature. Frozen towers get no gradient."""

    def __init__(self, towers: Mapping[str, Tower], heads: Mapping[str, nn.Module], temperature: Temperature) -> None:
        super().__init__()
        self.towers, self.heads = nn.ModuleDict(towers), nn.ModuleDict(heads)
        self.temperature = temperature
        for tower in towers.values():
            tower.requires_grad_(not tower.frozen)

    def embed(self, column: ColumnDataset, rows: Sequence[int], augment: torch.Generator | None = None) -> Tensor:
        """Return unit embeddings (n, dim) of some items of a column, augmented with draws from `augment`."""
        modality, device = column.tower.modality, self.temperature.log_scale.device
        if column.features is not None:
            features = column.features[torch.tensor(rows)].to(device)
        else:
            batch = column.tower.collate([column.items[row] for row in rows])
            if augment is not None:
                batch = column.tower.augment(batch, augment)
            features = self.towers[modality](send_to_device(batch, device))
        return F.normalize(self.heads[modality](features), dim=-1)

    def loss(self, pairs: PairDataset, x: Sequence[int], y: Sequence[int], generator: torch.Generator) -> Tensor:
        """Return the loss of items `x` of the first column with their partners `y` of the second."""
        return info_nce(self.embed(pairs.x, x, generator), self.embed(pairs.y, y, generator), self.temperature())

    @torch.no_grad()
    def embed_all(self, column: ColumnDataset, rows: Sequence[int]) -> Tensor:
        """Return the embeddings (n, dim) of some items of a column for use: float32, on the processor."""
        self.eval()
        parts = [self.embed(column, rows[i : i + MEASURE_BATCH]) for i in range(0, len(rows), MEASURE_BATCH)]
        return torch.cat(parts).float().cpu()

    def measure(self, pairs: PairDataset) -> dict[str, float]:
        """Return recall at 1 in both directions with one partner per item, the gap between the means, the mean cosine
        of pairs, and the standard deviation of their differences per dimension.
        """
        rows = pairs.draw(range(len(pairs)), torch.Generator().manual_seed(0))
        x, y = map(self.embed_all, (pairs.x, pairs.y), rows)
        recall = retrieval_metrics(x, y)
        return {
            "x_to_y": recall["x_to_y"]["r1"],
            "y_to_x": recall["y_to_x"]["r1"],
            "gap": float((x.mean(0) - y.mean(0)).norm()),
            "pair_cosine": float((x * y).sum(-1).mean()),
            "noise_std": float(((x - y) - (x - y).mean(0)).std()),
        }

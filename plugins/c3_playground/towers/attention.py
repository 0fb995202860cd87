"""Build attention between the cells of a grid or the words of a sentence."""

from __future__ import annotations

from torch import nn


def attention_layers(width: int, layers: int, heads: int = 4) -> nn.TransformerEncoder:
    """Pre-norm transformer layers over (n, cells, width)."""
    layer = nn.TransformerEncoderLayer(
        width, heads, dim_feedforward=2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)

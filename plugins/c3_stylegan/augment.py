"""Differentiable augmentation (Zhao et al. 2020): the discriminator sees real and drawn pictures with the same changes.

The changes are weaker than the paper's, because a condition tells which colors are where. Random numbers come from
torch's global generator, which training seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BRIGHTNESS = 0.2  # of a picture's range −1 … 1
CONTRAST = 0.2
SHIFT = 1 / 16  # of the side
CUT = 1 / 4


def augment(pictures: Tensor, names: Sequence[str]) -> Tensor:
    """Change pictures (n, 3, h, w) at random, each in its own way, with gradient.

    The names are "color", "translation" and "cutout".
    """
    for name in names:
        pictures = CHANGES[name](pictures)
    return pictures


def color(pictures: Tensor) -> Tensor:
    """Change brightness and contrast."""
    n = len(pictures)
    brightness, contrast = ((torch.rand(n, 1, 1, 1, device=pictures.device) * 2 - 1) for _ in range(2))
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return (pictures - mean) * (1 + contrast * CONTRAST) + mean + brightness * BRIGHTNESS


def translation(pictures: Tensor) -> Tensor:
    """Shift by up to a sixteenth of the sides. The edge's own color fills the gap."""
    n, _, h, w = pictures.shape
    device = pictures.device
    by_rows, by_columns = (
        torch.randint(-round(s * SHIFT), round(s * SHIFT) + 1, (n, 1), device=device) for s in (h, w)
    )
    rows = (torch.arange(h, device=device) + by_rows).clamp(0, h - 1)  # (n, h)
    columns = (torch.arange(w, device=device) + by_columns).clamp(0, w - 1)
    picked = pictures.permute(0, 2, 3, 1)[
        torch.arange(n, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return picked.permute(0, 3, 1, 2)


def cutout(pictures: Tensor) -> Tensor:
    """Cover a square of a quarter of the sides with gray, anywhere, partly outside too."""
    n, _, h, w = pictures.shape
    device = pictures.device
    middle_row, middle_column = (torch.rand(n, 1, device=device) * s for s in (h, w))
    outside_rows = (torch.arange(h, device=device) + 0.5 - middle_row).abs() > h * CUT / 2  # (n, h)
    outside_columns = (torch.arange(w, device=device) + 0.5 - middle_column).abs() > w * CUT / 2
    kept = outside_rows[:, None, :, None] | outside_columns[:, None, None, :]
    return pictures * kept


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {"color": color, "translation": translation, "cutout": cutout}

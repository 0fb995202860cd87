"""The command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    weights: Annotated[Path, typer.Argument(help="Upstream weights: a .pth, .pt, .bin or .pkl file.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Convert a torch file of weights to safetensors. Code in it is not run."""
    from c3_convert.weights import convert_weights

    count = convert_weights(weights, out)
    print(f"{count} tensors in {out}")

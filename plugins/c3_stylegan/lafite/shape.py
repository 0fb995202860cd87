"""The sizes of LAFITE's networks, read from those of their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

START = 4  # side of the first grid

Sizes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Shape:
    """The sizes of a generator and of its discriminator.

    >>> Shape(widths=(512, 512, 256), z=512, style=512, condition=512, hidden=512, code=512, mapping_layers=8).sides
    [4, 8, 16]
    """

    widths: tuple[int, ...]  # channels of the grids, from the first one up
    z: int
    style: int  # numbers of w
    condition: int
    hidden: int  # between a condition and its code
    code: int  # of a condition, in each layer
    mapping_layers: int

    @property
    def sides(self) -> list[int]:
        """The sides of the grids, from 4 up."""
        return [START << level for level in range(len(self.widths))]


def shape_of(sizes: Sizes) -> Shape:
    """Return the shape of a generator with tensors of these sizes. Raises `KeyError` with the name of a missing one."""
    layer = f"synthesis.b{START}.conv1"
    hidden, condition = sizes[f"{layer}.pre_0.weight"]
    widths: list[int] = []
    while (name := f"synthesis.b{START << len(widths)}.conv1.weight") in sizes:
        widths.append(sizes[name][0])
    layers = sum(name.startswith("mapping.fc") and name.endswith(".weight") for name in sizes)
    return Shape(
        widths=tuple(widths),
        z=sizes["mapping.fc0.weight"][1],
        style=sizes["mapping.w_avg"][0],
        condition=condition,
        hidden=hidden,
        code=sizes[f"{layer}.pre_1.weight"][0],
        mapping_layers=layers,
    )

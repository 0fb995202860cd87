"""Encoders of a space that stands, as towers that `c3 connect` leaves as they are while it connects others to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from c3core.contracts import Encoder, Reader
from c3core.contracts.tower import Tower
from c3core.errors import WrongCall
from c3core.io.validation import read_checked
from c3core.spaces.serialization import SpaceManifest, load_connected, weights_of


class FrozenTower(Tower):
    """An encoder as a frozen tower whose features are its embeddings; no head comes after it, and nothing of it is
    saved.
    """

    frozen = True

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.modality, self.width, self.license = encoder.modality, encoder.dim, encoder.license

    def reader(self) -> Reader:
        return self.encoder.reader()

    def collate(self, items: Sequence[Any]) -> Sequence[Any]:
        """The items: the encoder makes its own batch of them."""
        return items

    def forward(self, batch: Sequence[Any]) -> Tensor:
        return self.encoder.embed(batch)

    def config(self) -> dict[str, Any]:
        return {}

    def identity(self) -> str:
        return self.encoder.fingerprint


def frozen_towers(folder: Path, dim: int, *, new: Sequence[str], asked: Sequence[str]) -> dict[str, FrozenTower]:
    """The towers of a space's folder for the modalities `asked` of it; those that are `new` get others.

    Raises `WrongCall` where there is no such folder, its space has another number of dimensions than `dim`, or all of
    its modalities are new; `C3Error` where its files are damaged.
    """
    if not (folder / "space.json").is_file():
        raise WrongCall(f"start: {folder} is no folder that `c3 connect` wrote, or its training is not finished.")
    manifest = read_checked(SpaceManifest, folder / "space.json")
    if manifest.dim != dim:
        raise WrongCall(f"the space {folder} has {manifest.dim} dimensions, not {dim}. Write dim: {manifest.dim}.")
    kept = [modality for modality in manifest.encoders if modality not in new]
    if not kept:
        raise WrongCall(
            f"{', '.join(new)}: nothing of the space {folder} is kept. Leave `start` or some of the towers out."
        )
    for modality in kept:  # before any training: they are copied after it
        weights_of(folder, manifest.encoders[modality], modality)
    space = load_connected(folder)
    return {modality: FrozenTower(space.encoder(modality)) for modality in kept if modality in asked}

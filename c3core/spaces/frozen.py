"""Encoders of an existing space, wrapped as frozen towers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from c3core.contracts import Encoder, Reader, Tower
from c3core.errors import WrongCall
from c3core.io.layout import SPACE
from c3core.spaces.serialization import SpaceManifest, load_connected, weights_of


class FrozenTower(Tower):
    """An encoder as a frozen tower: its features are its embeddings, it has no head, and it is not saved."""

    frozen = True

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.modality, self.width, self.license = encoder.modality, encoder.dim, encoder.license

    def reader(self) -> Reader:
        return self.encoder.reader()

    def collate(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return the items: the encoder makes its own batch of them."""
        return items

    def forward(self, batch: Sequence[Any]) -> Tensor:
        return self.encoder.embed(batch)

    def config(self) -> dict[str, Any]:
        return {}

    def identity(self) -> str:
        return self.encoder.fingerprint


def frozen_towers(
    folder: Path, dim: int, *, replaced: Collection[str], wanted: Collection[str]
) -> dict[str, FrozenTower]:
    """Return frozen towers of the `wanted` modalities of a space's folder, except for those `replaced`.

    Raises `WrongCall` if the folder holds no space, the space has other dimensions than `dim`, or all its modalities
    are replaced; `CorruptFile` if its files are damaged.
    """
    if not (folder / SPACE).is_file():
        raise WrongCall(f"base_space: {folder} is not a folder that `c3 connect` wrote, or its training is unfinished.")
    manifest = SpaceManifest.read(folder)
    if manifest.dim != dim:
        raise WrongCall(f"the space {folder} has {manifest.dim} dimensions, not {dim}. Write dim: {manifest.dim}.")
    frozen = [modality for modality in manifest.encoders if modality not in replaced]
    if not frozen:
        raise WrongCall(f"the towers replace every encoder of {folder}. Leave out `base_space`, or some towers.")
    for modality in frozen:  # before training, since they are copied after it
        weights_of(folder, manifest.encoders[modality], modality)
    space = load_connected(folder)
    return {modality: FrozenTower(space.encoder(modality)) for modality in frozen if modality in wanted}

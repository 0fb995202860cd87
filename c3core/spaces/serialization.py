"""A space that `c3 connect` wrote: towers with projection heads, in a folder.

The folder holds `space.json` (which towers, heads, licenses, how it was trained) and `<modality>.safetensors` (the
head, and the tower unless it is frozen).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from c3core.contracts import Encoder, Space
from c3core.contracts.tower import Tower
from c3core.errors import CorruptFile, lines_of
from c3core.io.files import atomic_write, sha256, write_json
from c3core.io.validation import read_checked
from c3core.io.weights import write_tensors
from c3core.registry.factory import load_tower
from c3core.runtime.devices import device_of
from c3core.spaces.contrastive import Head
from c3core.spaces.encoder import ConnectedEncoder


class TowerSpec(BaseModel):
    """A tower by its registered name; further fields are its own options."""

    model_config = ConfigDict(extra="allow")

    tower: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class HeadSpec(BaseModel):
    """The projection head: linear when `hidden` is not given, else one hidden layer; the rest is told by `Head`."""

    model_config = ConfigDict(extra="forbid")

    hidden: int | None = Field(None, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    feature_dropout: float = Field(0.0, ge=0, lt=1)
    norm: Literal["layer", "batch"] = "layer"
    parts: int | None = Field(None, ge=1)


class EncoderSpec(BaseModel):
    """One encoder of a connected space, as `space.json` describes it."""

    model_config = ConfigDict(extra="forbid")

    tower: TowerSpec
    head: HeadSpec
    frozen: bool
    license: str
    sha256: str


class SpaceManifest(BaseModel):
    """`space.json`."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["c3-space-1"] = "c3-space-1"
    name: str
    dim: int
    encoders: dict[str, EncoderSpec]
    trained_on: list[str] = []
    measured: dict[str, Any] = {}


def load_connected(
    folder: str | Path, *, device: str = "auto", precision: str = "float32", spec: str | None = None
) -> Space:
    """The space in a folder. Towers are built, and weights read, when an encoder is first asked for."""
    folder = Path(folder)
    manifest = read_checked(SpaceManifest, folder / "space.json")
    load = partial(_load_encoder, folder, manifest, device=device, precision=precision)
    encoders = {modality: partial(load, modality) for modality in manifest.encoders}
    return Space(spec or str(folder), manifest.dim, encoders, folder=None if spec else folder)


def weights_of(folder: Path, spec: EncoderSpec, modality: str) -> Path:
    """The file of an encoder's weights; a `C3Error` where it is not the one that `space.json` was written for."""
    path = folder / f"{modality}.safetensors"
    if not path.exists():
        raise CorruptFile(f"{path} is missing: the space is not whole. Run `c3 connect` again.")
    if sha256(path) != spec.sha256:
        raise CorruptFile(
            f"{path} was changed or truncated (its sha256 differs from space.json). Run `c3 connect` again."
        )
    return path


def _load_encoder(folder: Path, manifest: SpaceManifest, modality: str, *, device: str, precision: str) -> Encoder:
    spec = manifest.encoders[modality]
    path = weights_of(folder, spec, modality)
    tower = load_tower(spec.tower.tower, **spec.tower.options)
    head = Head(tower.width, manifest.dim, **spec.head.model_dump())
    parts = nn.ModuleDict({"head": head} if spec.frozen else {"head": head, "tower": tower})
    try:
        parts.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise CorruptFile(f"{path} does not fit the tower {spec.tower.tower!r}: {lines_of(error)[-1]}") from None
    where = device_of(device)
    fingerprint = _fingerprint(spec, tower)
    return ConnectedEncoder(
        manifest.name,
        modality,
        tower.to(where),
        head.to(where),
        dim=manifest.dim,
        fingerprint=fingerprint,
        precision=precision,
    )


def _fingerprint(spec: EncoderSpec, tower: Tower) -> str:
    # `norm` and `parts` stand in the weights, and so in their hash.
    parts = [spec.sha256, tower.identity(), spec.head.model_dump(include={"hidden", "dropout"})]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def save_connected(
    folder: Path,
    name: str,
    dim: int,
    towers: Mapping[str, tuple[str, Tower, HeadSpec, Head]],
    *,
    dtype: torch.dtype = torch.float32,
    start: Path | None = None,
    trained_on: Sequence[str] = (),
    measured: Mapping[str, Any] | None = None,
) -> None:
    """Write a space's folder. `towers` maps a modality to its tower's registered name, tower, head's spec and head.

    Encoders of the space in the folder `start`, of other modalities, are copied as they are.
    """
    encoders: dict[str, EncoderSpec] = {}
    if start is not None:
        before = read_checked(SpaceManifest, start / "space.json")
        encoders, trained_on = dict(before.encoders), [*before.trained_on, *trained_on]
        for modality in encoders.keys() - towers.keys():
            with atomic_write(folder / f"{modality}.safetensors") as temporary:
                shutil.copyfile(weights_of(start, encoders[modality], modality), temporary)
    for modality, (registered, tower, head_spec, head) in towers.items():
        parts = nn.ModuleDict({"head": head} if tower.frozen else {"head": head, "tower": tower})
        path = folder / f"{modality}.safetensors"
        write_tensors(path, parts.state_dict(), dtype)
        spec = TowerSpec(tower=registered, **tower.config())
        encoders[modality] = EncoderSpec(
            tower=spec, head=head_spec, frozen=tower.frozen, license=tower.license, sha256=sha256(path)
        )
    manifest = SpaceManifest(
        name=name, dim=dim, encoders=encoders, trained_on=list(trained_on), measured=dict(measured or {})
    )
    write_json(folder / "space.json", manifest.model_dump(mode="json"))

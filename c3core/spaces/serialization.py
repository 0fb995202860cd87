"""The folder of a space that `c3 connect` writes.

It holds `space.json` (towers, heads, licenses, training data and figures) and a `<modality>.safetensors` for each
encoder (its head, and its tower unless that is frozen).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, Field
from safetensors.torch import load_file
from torch import nn

from c3core.contracts import Encoder, Space, Tower
from c3core.errors import CorruptFile, library_errors
from c3core.io.files import atomic_write, sha256, short_hash, write_json
from c3core.io.hub import Kind
from c3core.io.layout import FAMILIAR, SPACE, path_of
from c3core.io.model_card import markdown_table, write_card
from c3core.io.validation import read_checked
from c3core.io.weights import write_tensors
from c3core.registry.factory import load_tower
from c3core.runtime.devices import device_of
from c3core.spaces.encoder import ConnectedEncoder, Unlike
from c3core.spaces.features import FeatureEncoder, stored_features
from c3core.spaces.head import Head
from c3core.statistics.familiarity import Familiarity, familiarity_states, read_familiarity
from c3core.store.store import Store


class TowerSpec(BaseModel, extra="allow"):
    """A tower by its registered name. Other fields are its options."""

    tower: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class HeadSpec(BaseModel, extra="forbid"):
    """The options of a projection head, as `Head` explains them. Linear without `hidden`."""

    hidden: int | None = Field(None, ge=1, description="units of its hidden layer; null: a linear head")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the hidden layer")
    feature_dropout: float = Field(0.0, ge=0, lt=1, description="of the tower's features")
    norm: Literal["layer", "batch"] = Field(
        "layer", description="evens features out by row, or by feature, as frozen towers need"
    )
    parts: int | None = Field(
        None, ge=1, description="parts of a picture: the tower's features are cut, each mapped, and added up"
    )


class EncoderSpec(BaseModel, extra="forbid"):
    """One encoder in `space.json`."""

    tower: TowerSpec
    head: HeadSpec
    frozen: bool
    license: str
    sha256: str


class SpaceManifest(BaseModel, extra="forbid"):
    """`space.json`."""

    format: Literal["c3-space-1"] = "c3-space-1"
    name: str
    dim: int
    encoders: dict[str, EncoderSpec]
    trained_on: list[str] = []
    measured: dict[str, Any] = {}
    familiar: str | None = None  # the sha256 of that file

    @classmethod
    def read(cls, folder: Path) -> SpaceManifest:
        return read_checked(cls, folder / SPACE)

    @property
    def figures(self) -> dict[str, Any]:
        """What was measured on held-out pairs, by pair: also those of the base space."""
        return {**self.measured.get("base_space", {}), **self.measured.get("validation", {})}


def load_connected(
    folder: str | Path,
    *,
    device: str = "auto",
    precision: str = "float32",
    spec: str | None = None,
    features: str | Path | None = None,
    unlike: Mapping[str, Unlike] | None = None,
) -> Space:
    """Load a space from its folder. An encoder's tower is built and its weights are read at first use.

    `spec` is the name of a space that a plugin ships in a folder. `features` is the `run` folder of the `c3 connect`
    that made the space: frozen towers then reuse the features that they computed there of the same paths and texts.
    `unlike` maps a modality to a function in place of its tower's `unlike`.
    """
    folder = path_of(folder)
    manifest = SpaceManifest.read(folder)
    stores = stored_features(features) if features is not None else []
    load = partial(_load_encoder, folder, manifest, device=device, precision=precision, stores=stores)
    told = unlike or {}
    encoders = {modality: partial(load, modality, unlike=told.get(modality)) for modality in manifest.encoders}
    _check_familiar(folder, manifest)
    return Space(
        spec or str(folder),
        manifest.dim,
        encoders,
        folder=None if spec else folder,
        noise_std=measured_noise(manifest),
        familiar=read_familiarity(folder / FAMILIAR),
    )


def measured_noise(manifest: SpaceManifest) -> dict[tuple[str, str], float]:
    """Return the alignment noise of each two modalities that `c3 connect` measured on held-out pairs."""
    noise = {}
    for x, y in permutations(manifest.encoders, 2):
        if std := manifest.figures.get(f"{x}-{y}", {}).get("noise_std"):
            noise[x, y] = float(std)
    return noise


def weights_of(folder: Path, spec: EncoderSpec, modality: str) -> Path:
    """Return the file of an encoder's weights. Raises `CorruptFile` if it is missing or was changed."""
    path = folder / f"{modality}.safetensors"
    if not path.exists():
        raise CorruptFile(f"{path} is missing, so the space is incomplete. Run `c3 connect` again.")
    if sha256(path) != spec.sha256:
        raise CorruptFile(f"{path} was changed or truncated (its sha256 differs from {SPACE}). Run `c3 connect` again.")
    return path


def _load_encoder(
    folder: Path,
    manifest: SpaceManifest,
    modality: str,
    *,
    device: str,
    precision: str,
    stores: Sequence[Store],
    unlike: Unlike | None,
) -> Encoder:
    spec = manifest.encoders[modality]
    path = weights_of(folder, spec, modality)
    tower = load_tower(spec.tower.tower, **spec.tower.options)
    head = Head(tower.width, manifest.dim, **spec.head.model_dump())
    parts = nn.ModuleDict({"head": head} if spec.frozen else {"head": head, "tower": tower})
    with library_errors(f"{path} does not fit the tower {spec.tower.tower!r}", "Run `c3 connect` again.", CorruptFile):
        parts.load_state_dict(load_file(path))
    torch_device = device_of(device)
    return ConnectedEncoder(
        manifest.name,
        modality,
        tower.to(torch_device),
        head.to(torch_device),
        dim=manifest.dim,
        fingerprint=_fingerprint(spec, tower),
        precision=precision,
        license=spec.license,
        unlike=unlike,
        features=[store for store in stores if store.fingerprint == FeatureEncoder(tower).fingerprint],
    )


def _fingerprint(spec: EncoderSpec, tower: Tower) -> str:
    # The head's norm and parts are visible in the weights, and so in their hash.
    parts = [spec.sha256, tower.identity(), spec.head.model_dump(include={"hidden", "dropout"})]
    return short_hash(json.dumps(parts, sort_keys=True))


def save_connected(
    folder: Path,
    name: str,
    dim: int,
    towers: Mapping[str, tuple[str, Tower, HeadSpec, nn.Module]],
    *,
    dtype: torch.dtype = torch.float32,
    base_space: Path | None = None,
    trained_on: Sequence[str] = (),
    measured: Mapping[str, Any] | None = None,
    familiar: Mapping[str, Familiarity] | None = None,
) -> None:
    """Write a space's folder.

    `towers` maps a modality to the tower's registered name, the tower, the head's options and the head. Encoders of
    other modalities are copied from the folder `base_space`. `familiar` tells items that are unlike those it knows.
    """
    encoders: dict[str, EncoderSpec] = {}
    measured = dict(measured or {})
    if base_space is not None:
        base = SpaceManifest.read(base_space)
        encoders, trained_on = dict(base.encoders), [*base.trained_on, *trained_on]
        measured["base_space"] = {  # those of encoders that do not change
            name: of for name, of in base.figures.items() if not {*name.split(" ")[0].split("-")} & towers.keys()
        }
        for modality in encoders.keys() - towers.keys():
            with atomic_write(folder / f"{modality}.safetensors") as temporary:
                shutil.copyfile(weights_of(base_space, encoders[modality], modality), temporary)
    for modality, (registered, tower, head_spec, head) in towers.items():
        parts = nn.ModuleDict({"head": head} if tower.frozen else {"head": head, "tower": tower})
        path = folder / f"{modality}.safetensors"
        write_tensors(path, parts.state_dict(), dtype)
        spec = TowerSpec(tower=registered, **tower.config())
        encoders[modality] = EncoderSpec(
            tower=spec, head=head_spec, frozen=tower.frozen, license=tower.license, sha256=sha256(path)
        )
    manifest = SpaceManifest(name=name, dim=dim, encoders=encoders, trained_on=list(trained_on), measured=measured)
    (folder / FAMILIAR).unlink(missing_ok=True)
    if familiar:
        write_tensors(folder / FAMILIAR, familiarity_states(familiar))
        manifest.familiar = sha256(folder / FAMILIAR)
    write_json(folder / SPACE, manifest.model_dump(mode="json"))


def _card(folder: Path, name: str) -> str:
    manifest = SpaceManifest.read(folder)
    first, encoders = next(iter(manifest.encoders)), manifest.encoders.items()
    figures = manifest.figures.items()
    recalls = [[pair, f"{100 * of['x_to_y']:.1f}", f"{100 * of['y_to_x']:.1f}"] for pair, of in figures]
    parts = [
        f"A space of c3core: its encoders of {', '.join(manifest.encoders)} make embeddings of {manifest.dim} numbers,"
        " which can be compared.",
        f'```python\nimport c3core\n\nspace = c3core.load_space("{name}")\n```',
        f"```sh\nc3 embed {name} {first} INPUT… --out STORE\n```",
        "## What it is",
        markdown_table(
            ["encoder", "tower", "license"], [[of, spec.tower.tower, spec.license] for of, spec in encoders]
        ),
    ]
    if manifest.trained_on:
        parts.append(f"It was trained on the pairs of {', '.join(manifest.trained_on)}.")
    if recalls:
        parts += ["## Held-out pairs", markdown_table(["pair", "R@1 → (%)", "R@1 ← (%)"], recalls)]
    return write_card(name, (spec.license for _, spec in encoders), ["feature-extraction", *manifest.encoders], parts)


def _check(folder: Path) -> None:
    manifest = SpaceManifest.read(folder)
    for modality, spec in manifest.encoders.items():
        weights_of(folder, spec, modality)
    _check_familiar(folder, manifest)


def _check_familiar(folder: Path, manifest: SpaceManifest) -> None:
    path = folder / FAMILIAR
    if manifest.familiar is not None and not (path.is_file() and sha256(path) == manifest.familiar):
        raise CorruptFile(f"{path} is missing, or its sha256 differs from {SPACE}. Run `c3 connect` again.")


def _files(folder: Path) -> list[str]:
    manifest = SpaceManifest.read(folder)
    return [f"{modality}.safetensors" for modality in manifest.encoders] + [FAMILIAR] * (manifest.familiar is not None)


SPACES = Kind("space", SPACE, files=_files, check=_check, card=_card)

"""A pipeline as one folder: written whole or not at all, and read after its checksums were checked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from c3core.bridges.c3 import C3Bridge
from c3core.contracts import Bridge, Decoder, Space
from c3core.errors import C3Error, CorruptFile, NotInstalled, library_errors
from c3core.io.files import PICKLES, atomic_write, make_folder, write_error, write_json, write_text
from c3core.io.layout import FAMILIAR, PIPELINE, SPACE
from c3core.io.model_card import CARD, is_own_card
from c3core.io.validation import require_part
from c3core.io.weights import write_tensors
from c3core.pipeline.card import card
from c3core.pipeline.manifest import (
    STAGED,
    BridgePart,
    DecoderPart,
    Manifest,
    SpacePart,
    listed_files,
    put_in_place,
    read_manifest,
    saving,
    verify,
)
from c3core.registry.discovery import entry, registered
from c3core.spaces.loading import load_space
from c3core.statistics.familiarity import Familiarity, familiarity_states, read_familiarity
from c3core.version import __version__


@dataclass(frozen=True)
class Saved:
    """What a pipeline's folder holds. `files` are the sha256 of the files that it was read from."""

    space: Space
    bridge: Bridge
    decoder: Decoder
    fingerprints: dict[str, str]
    trained_on: list[dict[str, Any]]
    licenses: dict[str, str]
    familiar: dict[str, Familiarity] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def save(pipeline: Saved, folder: str | Path) -> None:
    """Write `pipeline.json`, `bridge.safetensors`, `decoder/` and, for a space that lives in a folder, `space/`.

    The old pipeline in the folder stays until the new one is written whole. Raises `C3Error` if that cannot be done.
    """
    folder = make_folder(folder)
    try:
        with saving(folder):
            put_in_place(folder)
            for left in folder.glob(f"{STAGED}*"):  # left by a save that was killed before all was written
                shutil.rmtree(left, ignore_errors=True)
            _write(pipeline, folder)
    except C3Error:
        raise
    except OSError as error:
        raise write_error(folder, error) from error


def _write(pipeline: Saved, folder: Path) -> None:
    staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=folder))
    try:
        (staged / "decoder").mkdir()
        pipeline.decoder.save(staged / "decoder")
        if pickled := sorted(path.name for path in staged.rglob("*") if path.suffix.lower() in PICKLES):
            raise C3Error(f"decoder {pipeline.decoder.name!r} saves pickled code ({pickled[0]}). Write safetensors.")
        if pipeline.space.folder:
            _copy_space(pipeline.space.folder, staged / "space")
        # Some readers of safetensors refuse a file without tensors, so a bridge without statistics writes one.
        write_tensors(staged / "bridge.safetensors", pipeline.bridge.state() or {"empty": torch.zeros(1)})
        if pipeline.familiar:
            write_tensors(staged / FAMILIAR, familiarity_states(pipeline.familiar))
        manifest = _manifest(pipeline, staged)
        if not is_own_card(folder / CARD):
            write_text(staged / CARD, card(manifest, folder.absolute().name))
        write_json(staged / PIPELINE, manifest.model_dump(mode="json"))
        put_in_place(folder)
    finally:
        if not (staged / PIPELINE).exists():
            shutil.rmtree(staged, ignore_errors=True)


def _manifest(pipeline: Saved, folder: Path) -> Manifest:
    licenses = {}
    for modality in pipeline.fingerprints:
        name = f"encoder:{modality}"  # a loaded pipeline knows it without loading the encoder
        licenses[name] = pipeline.licenses.get(name) or pipeline.space.encoder(modality).license
    return Manifest(
        c3core=__version__,
        space=SpacePart(
            spec="space/" if pipeline.space.folder else pipeline.space.spec,
            dim=pipeline.space.dim,
            fingerprints=pipeline.fingerprints,
        ),
        bridge=BridgePart(name=pipeline.bridge.name, config=pipeline.bridge.config()),
        decoder=DecoderPart(name=pipeline.decoder.name, modality=pipeline.decoder.modality),
        trained_on=pipeline.trained_on,
        licenses=licenses | {"decoder": pipeline.decoder.license},
        files=listed_files(folder),
    )


def read_saved(folder: Path, *, device: str, precision: str, space: Space | None = None, **space_options: Any) -> Saved:
    """Read what `save` wrote. `space` replaces the saved one, which is loaded with `space_options`.

    Raises `WrongCall` for a folder without a pipeline, `CorruptFile` for a missing or changed file, and `NotInstalled`
    without the plugin of its space or decoder.
    """
    if space is not None:
        require_part("space", space, Space)
    manifest = read_manifest(folder)
    verify(folder, manifest)
    if space is None:
        spec = manifest.space.spec
        if spec != "space/":
            _require("space", spec.partition(":")[0], folder)
        name = str(folder / "space") if spec == "space/" else spec
        space = load_space(name, device=device, precision=precision, **space_options)
    path = folder / "bridge.safetensors"
    with library_errors(f"{path} cannot be read", "Save the pipeline again.", CorruptFile):
        state = load_file(path)
    _require("decoder", manifest.decoder.name, folder)
    decoder = entry("decoder", manifest.decoder.name).load().load(folder / "decoder", device=device)
    bridge = _restore_bridge(manifest.bridge, state)
    about = manifest.space.fingerprints, manifest.trained_on, manifest.licenses
    return Saved(space, bridge, decoder, *about, read_familiarity(folder / FAMILIAR), manifest.files)


def _require(kind: str, name: str, folder: Path) -> None:
    if name not in registered(kind):
        raise NotInstalled(f"{folder} needs the {kind} {name!r}, which no installed plugin has. Install its plugin.")


def _restore_bridge(part: BridgePart, state: dict[str, Tensor]) -> Bridge:
    """Restore a bridge by the class that a plugin registers for its name, or as a `C3Bridge`: each preset is one."""
    known = registered("bridge")
    factory = known[part.name].load() if part.name in known else C3Bridge
    state.pop("empty", None)
    bridge: Bridge = getattr(factory, "restore", C3Bridge.restore)(part.config, state)
    return bridge


def _copy_space(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for path in [source / SPACE, *source.glob("*.safetensors")]:
        with atomic_write(target / path.name) as temporary:
            shutil.copyfile(path, temporary)

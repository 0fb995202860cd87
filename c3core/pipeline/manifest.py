"""Read, check and put in place `pipeline.json`: what a pipeline is, what it was trained on, and checksums."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel

from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.io.files import refuse_pickles, sha256
from c3core.io.layout import FAMILIAR, PIPELINE, unfinished
from c3core.io.model_card import CARD
from c3core.io.validation import read_checked

STAGED = ".saving."  # prefix of the folder that a save is written to before it is moved into place
PARTS = ("bridge.safetensors", "decoder", "space", FAMILIAR, CARD)
LOCK = ".lock"  # held by the process that saves
PATIENCE = 60.0  # seconds


class SpacePart(BaseModel, extra="forbid"):
    """The space: the argument of `load_space` ("space/" for a copy in the folder), and its encoders' fingerprints."""

    spec: str
    dim: int
    fingerprints: dict[str, str]


class BridgePart(BaseModel, extra="forbid"):
    """The bridge: its name, and what rebuilds it."""

    name: str
    config: dict[str, Any]


class DecoderPart(BaseModel, extra="forbid"):
    """The decoder: its registered name, and the modality that it makes."""

    name: str
    modality: str


class Manifest(BaseModel, extra="forbid"):
    """The whole of `pipeline.json`."""

    format: Literal["c3-pipeline-1"] = "c3-pipeline-1"
    c3core: str
    space: SpacePart
    bridge: BridgePart
    decoder: DecoderPart
    trained_on: list[dict[str, Any]]
    licenses: dict[str, str]
    files: dict[str, str]


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a pipeline's folder. A save that was killed after all was written is finished first.

    Raises `WrongCall` if the folder holds no pipeline, and `CorruptFile` if the manifest is damaged.
    """
    if folder.is_file():
        raise WrongCall(f"{folder} is a file, and a pipeline is a folder. `c3 fit RECIPE --out FOLDER` writes one.")
    if not folder.is_dir():
        raise WrongCall(f"no pipeline at {folder}: there is no such folder. `c3 fit` writes one.")
    try:
        finish_save(folder)
    except C3Error:
        raise
    except OSError as error:
        raise C3Error(f"a save of {folder} was stopped, and it cannot be finished: {error.strerror}.") from error
    if unfinished(folder):
        raise WrongCall(f"{folder} holds an unfinished training. Run the `c3 fit` or `c3 connect` that began it again.")
    if not (folder / PIPELINE).is_file():
        raise WrongCall(f"{folder} is not a pipeline: it has no {PIPELINE}. `c3 fit` writes one.")
    return read_checked(Manifest, folder / PIPELINE)


def finish_save(folder: Path) -> None:
    """Finish a save that was killed after all of it was written, if there is one in the folder."""
    if next(folder.glob(f"{STAGED}*/{PIPELINE}"), None) is not None:
        with saving(folder):
            put_in_place(folder)


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Hold the lock of a pipeline's folder, so that one process at a time saves. Raises `C3Error` after a minute."""
    try:
        with FileLock(folder / LOCK, timeout=PATIENCE):
            yield
    except Timeout as error:
        raise C3Error(f"another process is saving to {folder}. Wait for it, or choose another folder.") from error


def put_in_place(folder: Path) -> None:
    """Move the parts of a save into place, if all were written. `pipeline.json` is written last and moved last.

    If this is killed, the next call finishes the move.
    """
    for written in sorted(folder.glob(f"{STAGED}*/{PIPELINE}")):
        staged, target = written.parent, folder / written.name
        manifest = read_checked(Manifest, written)
        for part in [staged / name for name in PARTS if (staged / name).exists()]:
            if part.is_dir():
                shutil.rmtree(folder / part.name, ignore_errors=True)
            part.replace(folder / part.name)
        if manifest.space.spec != "space/":  # what is there is of another pipeline that was saved here
            shutil.rmtree(folder / "space", ignore_errors=True)
        if FAMILIAR not in manifest.files:
            (folder / FAMILIAR).unlink(missing_ok=True)
        written.replace(target)
        shutil.rmtree(staged, ignore_errors=True)


def listed_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of the pipeline in a folder, without those of its training run."""
    parts = [
        folder / "bridge.safetensors",
        folder / FAMILIAR,
        *(folder / "decoder").rglob("*"),
        *(folder / "space").rglob("*"),
    ]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(parts) if path.is_file()}


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise `CorruptFile` for a missing, changed or unlisted file, and `C3Error` for a pickle."""
    refuse_pickles(folder)
    found = listed_files(folder)
    for name, digest in manifest.files.items():
        if name not in found:
            raise CorruptFile(f"{folder / name} is missing. Copy the whole folder again, or train it again.")
        if found[name] != digest:
            raise CorruptFile(f"{folder / name} was changed or truncated: its sha256 is not that in {PIPELINE}.")
    if extra := sorted(set(found) - set(manifest.files)):
        raise CorruptFile(f"{folder / extra[0]} does not belong to the pipeline: {PIPELINE} does not list it.")

"""`pipeline.json`: what a saved pipeline is, was trained on, and the checksum of each of its files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.io.files import PICKLES, sha256
from c3core.io.layout import unfinished
from c3core.io.validation import read_checked

STAGED = ".saving."  # a folder beside a pipeline's parts, with those that are to take their place when all are written
PARTS = ("bridge.safetensors", "decoder", "space")  # beside `pipeline.json`
LOCK = ".lock"  # held by the process that writes
PATIENCE = 60.0  # seconds


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SpacePart(_Part):
    """The space: what `load_space` takes ("space/" for one carried in the folder), its dimension, a fingerprint an
    encoder.
    """

    spec: str
    dim: int
    fingerprints: dict[str, str]


class BridgePart(_Part):
    name: str
    config: dict[str, Any]


class DecoderPart(_Part):
    name: str
    modality: str


class Manifest(_Part):
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
    """The manifest of a pipeline's folder; a `C3Error` says when the folder is none. Of a save that was killed it does
    the rest.
    """
    if not folder.is_dir():
        raise WrongCall(f"no pipeline at {folder}: there is no such folder. `c3 fit` writes one.")
    try:
        finish_save(folder)
    except C3Error:
        raise
    except OSError as error:
        raise C3Error(
            f"{folder} was being saved when that was stopped, and the rest cannot be done: {error.strerror}."
        ) from error
    if unfinished(folder):
        raise WrongCall(
            f"{folder} holds a training that is not finished. The same `c3 fit` or `c3 connect` again goes on with it."
        )
    if not (folder / "pipeline.json").is_file():
        raise WrongCall(f"{folder} is not a pipeline: it has no pipeline.json. `c3 fit` writes one.")
    return read_checked(Manifest, folder / "pipeline.json")


def finish_save(folder: Path) -> None:
    """Finish a save that was killed after all of it was written, if there is one in the folder."""
    if next(folder.glob(f"{STAGED}*/pipeline.json"), None) is not None:
        with saving(folder):
            put_in_place(folder)


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """One process at a time writes a pipeline's folder; a `C3Error` where another one does not come to its end."""
    try:
        with FileLock(folder / LOCK, timeout=PATIENCE):
            yield
    except Timeout as error:
        raise C3Error(f"another process is saving to {folder}. Wait for it, or choose another folder.") from error


def put_in_place(folder: Path) -> None:
    """Put the parts of a save in their place, if all were written: its `pipeline.json` comes last, to be written and to
    be moved.

    Done again it changes nothing, so that a save which was killed in here is finished by whoever comes next.
    """
    for written in sorted(folder.glob(f"{STAGED}*/pipeline.json")):
        staged, target = written.parent, folder / written.name
        carries_space = read_checked(Manifest, written).space.spec == "space/"
        for part in [staged / name for name in PARTS if (staged / name).exists()]:
            if part.is_dir():
                shutil.rmtree(folder / part.name, ignore_errors=True)
            part.replace(folder / part.name)
        if not carries_space:
            shutil.rmtree(folder / "space", ignore_errors=True)  # of another pipeline that was saved here
        written.replace(target)
        shutil.rmtree(staged, ignore_errors=True)


def listed_files(folder: Path) -> dict[str, str]:
    """The sha256 of each file of the pipeline in `folder` (its run's own files are not part of it)."""
    parts = [folder / "bridge.safetensors", *(folder / "decoder").rglob("*"), *(folder / "space").rglob("*")]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(parts) if path.is_file()}


def verify(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder with a pickle in it, or with a file that is missing, changed or not listed."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES:
            raise C3Error(f"{path} may hold pickled code, which is never read. Remove it, or save the pipeline again.")
    found = listed_files(folder)
    for name, digest in manifest.files.items():
        if name not in found:
            raise CorruptFile(f"{folder / name} is missing. Copy the whole folder again, or train it again.")
        if found[name] != digest:
            raise CorruptFile(
                f"{folder / name} was changed or truncated: its sha256 is not the one in pipeline.json. Copy it again."
            )
    if extra := sorted(set(found) - set(manifest.files)):
        raise CorruptFile(
            f"{folder / extra[0]} does not belong to the pipeline (pipeline.json does not list it). Remove it."
        )

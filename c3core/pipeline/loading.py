"""Find the folder of a pipeline: by its path, by the name that a plugin registers, or on the Hugging Face hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from c3core.errors import NotInstalled, NotReachable, WrongCall, library_errors, near
from c3core.io.layout import PIPELINE, path_of
from c3core.registry.discovery import entry, registered

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")  # user/name
HUB_FILES = [PIPELINE, "*.safetensors", "decoder/*", "space/*"]


def pipeline_folder(name: str | Path, *, also: Iterable[str] = ()) -> Path:
    """Return the folder of a pipeline. `also` lists more names that the caller knows, for the hint of an error.

    A name `user/name` that is neither a folder nor registered is downloaded from the hub, and kept in its cache.
    Raises `WrongCall` for an unknown name, `NotInstalled` without huggingface_hub, and `NotReachable` if the hub does
    not answer.
    """
    if (folder := path_of(name)).exists():
        return folder
    shipped, known = registered("pipeline"), str(name)
    if known in shipped:
        shipped_folder: Path = entry("pipeline", known).load()()
        return shipped_folder
    owner = known.split("/")[0]
    taken = {one.split("/")[0] for one in shipped} | {".", ".."}
    if HUB_NAME.fullmatch(known) and owner not in taken and not os.path.isdir(owner):
        return download(known)
    hint = f"{near(known, [*shipped, *also])} `c3 fit` writes one."
    raise WrongCall(f"no pipeline at {name}: there is no such folder, and no pipeline of that name: {hint}")


def download(name: str) -> Path:
    """Return the folder of a pipeline of the hub. Later calls download only the files that have changed."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import RepositoryNotFoundError
    except ImportError:
        raise NotInstalled(
            f"no folder {name} and no pipeline of that name. To look for it on the hub: pip install huggingface_hub"
        ) from None
    what = f"no folder {name}, no pipeline of that name, and the hub cannot be reached"
    with library_errors(what, "Check the name and the network.", NotReachable):
        try:
            return Path(snapshot_download(name, allow_patterns=HUB_FILES))
        except RepositoryNotFoundError:
            raise WrongCall(f"no folder {name}, and the hub has no such pipeline. Check the name.") from None

"""Load a multi-modal model of sentence-transformers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from c3core.errors import CorruptFile, WrongCall, library_errors
from c3core.io import check_hub, model_license, read_json, refuse_pickles, tensor_hash
from c3core.runtime import without_bars

MODALITIES = ("text", "image", "audio")
MODULES = "modules.json"
FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]  # no pickles, no code
OWN = "sentence_transformers."  # where the classes of a model must come from


@dataclass(frozen=True)
class Loaded:
    """A model in float32 and evaluation mode. `files` is a hash of its configuration, `license` that of its card."""

    name: str  # on the hub, or the absolute path of a folder
    model: Any
    files: str
    license: str

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(modality for modality in MODALITIES if modality in self.model.modalities)

    @property
    def dim(self) -> int:
        return int(self.model.get_embedding_dimension())

    @cached_property
    def identity(self) -> str:
        """A hash of the configuration and the weights."""
        return f"{self.files} {tensor_hash(self.model.state_dict())}"


def load_model(name: str, *, device: torch.device) -> Loaded:
    """Load a model of the hub or of a folder.

    Raises `C3Error` if it cannot be reached, is broken, has pickled weights or code of its own, or takes only text.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        name = str(folder := folder.absolute())
        refuse_pickles(folder, lone=True)
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise WrongCall(f"{name!r} is neither a folder nor the name of a model. Write st:org/name or st:FOLDER.")
    else:
        advice = "On a machine with a network, fetch its files into a folder; here write st:FOLDER."
        check_hub(name, MODULES, advice=advice)
        with library_errors(f"{name} cannot be downloaded", "Check the name and the network."):
            folder = Path(snapshot_download(name, allow_patterns=FILES))
    if not (folder / MODULES).is_file():
        raise WrongCall(f"{name} is not a model of sentence-transformers: it lacks {MODULES}.")
    _check_modules(folder)
    with without_bars(transformers_logging), library_errors(f"{name} cannot be loaded", "Get its files again."):
        model = SentenceTransformer(str(folder), device=str(device), local_files_only=True, trust_remote_code=False)
    loaded = Loaded(name, model.float().eval().requires_grad_(False), _hash_of(folder), model_license(name))
    if len(loaded.modalities) < 2:
        has = ", ".join(map(str, model.modalities))
        raise WrongCall(f"{name} takes only {has}. Give a model that embeds text and also pictures or sounds.")
    return loaded


def _check_modules(folder: Path) -> None:
    """Refuse a model whose parts are of other classes than those of sentence-transformers."""
    modules = read_json(folder / MODULES)
    types = [str(module.get("type")) if isinstance(module, dict) else "?" for module in modules or ()]
    if not types or not isinstance(modules, list):
        raise CorruptFile(f"{folder / MODULES} lists no parts of a model. Get it again.")
    if foreign := [one for one in types if not one.startswith(OWN)]:
        raise WrongCall(f"{folder} has a part {foreign[0]}, which is code of its own. That is never run.")


def _hash_of(folder: Path) -> str:
    """A hash of the files that say what the model computes."""
    texts = sorted(path for pattern in FILES[:-1] for path in folder.rglob(pattern))
    digest = hashlib.sha256()
    for path in texts:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()

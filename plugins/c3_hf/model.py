"""Load a contrastive model of transformers with its processor."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, AutoProcessor
from transformers.utils import logging as transformers_logging

from c3core.errors import CorruptFile, WrongCall, library_errors
from c3core.io import check_hub, model_license, tensor_hash
from c3core.runtime import without_bars

FEATURES = {"text": "get_text_features", "image": "get_image_features", "audio": "get_audio_features"}
PROCESSORS = {"text": "tokenizer", "image": "image_processor", "audio": "feature_extractor"}
ADVICE = "Check the name, the files and the network."

# Fields of a configuration that say where a model lay and how it was saved, not what it computes.
_NOT_IDENTITY = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "_commit_hash")


@dataclass(frozen=True)
class Described:
    """What the configuration of a model says, before its weights are read."""

    name: str  # on the hub, or the absolute path of a folder
    config: Any
    modalities: tuple[str, ...]
    dim: int


@dataclass(frozen=True)
class Loaded:
    """A model in float32 and evaluation mode, and its processor."""

    described: Described
    model: Any
    processor: Any
    license: str

    @cached_property
    def identity(self) -> str:
        """A hash of the architecture and the weights."""
        settings = json.dumps(_identity_of(self.described.config.to_dict()), sort_keys=True, default=str)
        return hashlib.sha256(f"{settings}\0{tensor_hash(self.model.state_dict())}".encode()).hexdigest()


def describe(name: str) -> Described:
    """The description of a model on the hub or in a folder.

    Raises `C3Error` if it cannot be reached, is broken, or is not contrastive.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise WrongCall(f"{name} is not the folder of a model of transformers: it lacks config.json.")
        name = str(folder.absolute())
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise WrongCall(
            f"{name!r} is neither a folder nor the name of a model. Write hf:org/name or hf:path/to/folder."
        )
    else:
        advice = (
            "On a machine with a network, fetch its .json, .txt and .safetensors files into a folder; here write"
            " hf:FOLDER."
        )
        check_hub(name, "config.json", advice=advice)
    with _quiet(), library_errors(f"{name} cannot be read as a model of transformers", ADVICE):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    kind = MODEL_MAPPING.get(type(config), None)
    classes = kind if isinstance(kind, tuple | list) else (kind,)
    modalities = tuple(
        modality for modality, method in FEATURES.items() if any(hasattr(each, method) for each in classes)
    )
    dim = _dim(config)
    if "text" not in modalities or len(modalities) < 2 or dim is None:
        raise WrongCall(
            f"{name} is a {config.model_type}, which is not contrastive. Give a model that embeds text and also"
            " pictures or sounds, such as CLIP, SigLIP or CLAP."
        )
    return Described(name, config, modalities, dim)


def _dim(config: Any) -> int | None:
    """The size of the embeddings: of the projections, or of the pooled states of a model without projections."""
    if found := getattr(config, "projection_dim", None):
        return int(found)
    text, vision = getattr(config, "text_config", None), getattr(config, "vision_config", None)
    found = getattr(text, "projection_size", None) or getattr(vision, "hidden_size", None)
    return int(found) if found else None


def load_model(described: Described, *, device: torch.device) -> Loaded:
    """Read the weights and the processor.

    Raises `C3Error` if they cannot be loaded, if weights are missing, or if the processor cannot serve a modality.
    """
    name, kind = described.name, described.config.model_type
    with _quiet(), library_errors(f"{name} cannot be loaded", ADVICE):
        model, report = AutoModel.from_pretrained(
            name, config=described.config, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
        )
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=False)
    if missing := sorted(report["missing_keys"]):  # transformers would draw them at random
        raise CorruptFile(
            f"{name} lacks {len(missing)} of the weights of a {kind}, such as {missing[0]}. Get it again."
        )
    for modality in described.modalities:
        if getattr(processor, PROCESSORS[modality], None) is None:
            raise CorruptFile(
                f"{name} has no {PROCESSORS[modality]} for {modality}. Save the model's processor beside its weights."
            )
    model = model.to(device).eval().requires_grad_(False)
    return Loaded(described, model, processor, model_license(name))


def _identity_of(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _identity_of(value) for key, value in config.items() if key not in _NOT_IDENTITY}
    return config


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what transformers and the hub's client log and draw: errors say it, and small files need no bars."""
    level, hub = transformers_logging.get_verbosity(), transformers_logging.logging.getLogger("huggingface_hub")
    hub_level = hub.level
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    hub.setLevel(transformers_logging.ERROR)
    try:
        with without_bars(transformers_logging):
            yield
    finally:
        hub.setLevel(hub_level)
        transformers_logging.set_verbosity(level)

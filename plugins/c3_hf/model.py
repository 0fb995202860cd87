"""A contrastive model of transformers with its processor, and what identifies both."""

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

from c3core.errors import C3Error, WrongCall, lines_of
from c3core.io import tensor_hash
from c3core.runtime import without_bars

FEATURES = {"text": "get_text_features", "image": "get_image_features", "audio": "get_audio_features"}

# Not of the model itself: where it lay, what saved it, what it is kept as.
_ASIDE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "_commit_hash")


@dataclass(frozen=True)
class Described:
    """What is known of a model before its weights are read: by its configuration alone."""

    name: str  # of the hub, or the absolute path of a folder
    config: Any
    modalities: tuple[str, ...]
    dim: int


@dataclass(frozen=True)
class Loaded:
    """A model in float32, in evaluation mode, and its processor."""

    described: Described
    model: Any
    processor: Any
    device: torch.device

    @cached_property
    def identity(self) -> str:
        """A hash of architecture and weights."""
        config = {key: value for key, value in self.described.config.to_dict().items() if key not in _ASIDE}
        settings = json.dumps(_bare(config), sort_keys=True, default=str)
        return hashlib.sha256(f"{settings}\0{tensor_hash(self.model.state_dict())}".encode()).hexdigest()


def describe(name: str) -> Described:
    """The model of a hub's name or of a folder. Raises `C3Error` if it is none, is not contrastive, or is out of
    reach.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise WrongCall(f"{name} is no folder of a model of transformers: it has no config.json. Check the path.")
        name = str(folder.absolute())
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise C3Error(f"{name!r} is no folder, and no name of a model. Write hf:org/name or hf:path/to/folder.")
    with _clear(f"{name} cannot be read as a model of transformers"):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    kind = MODEL_MAPPING.get(type(config), None)
    classes = kind if isinstance(kind, tuple | list) else (kind,)
    modalities = tuple(
        modality for modality, method in FEATURES.items() if any(hasattr(each, method) for each in classes)
    )
    dim = _dim(config)
    if "text" not in modalities or len(modalities) < 2 or dim is None:
        what = f"a {config.model_type}"
        raise C3Error(
            f"{name} is {what}, which is no contrastive model: it gives no embeddings of text and of pictures or"
            " sounds."
        )
    return Described(name, config, modalities, dim)


def _dim(config: Any) -> int | None:
    """The size that the embeddings of all modalities share: of the projections, or of the pooled states without any."""
    if found := getattr(config, "projection_dim", None):
        return int(found)
    text, vision = getattr(config, "text_config", None), getattr(config, "vision_config", None)
    found = getattr(text, "projection_size", None) or getattr(vision, "hidden_size", None)
    return int(found) if found else None


def load_model(described: Described, *, device: torch.device) -> Loaded:
    """Read weights and processor. Raises `C3Error` if they cannot be had, or if weights of the model are missing."""
    name = described.name
    with _clear(f"{name} cannot be loaded"):
        model, report = AutoModel.from_pretrained(
            name, config=described.config, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
        )
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=False)
    if missing := sorted(report["missing_keys"]):  # transformers would leave them random
        raise C3Error(
            f"{name} lacks {len(missing)} of the weights of a {described.config.model_type}, such as {missing[0]}."
        )
    parts = {"text": "tokenizer", "image": "image_processor", "audio": "feature_extractor"}
    for modality in described.modalities:
        if getattr(processor, parts[modality], None) is None:
            raise C3Error(
                f"{name} has no {parts[modality]} for {modality}. Save the model's processor beside its weights."
            )
    return Loaded(described, model.to(device).eval().requires_grad_(False), processor, device)


def _bare(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _bare(value) for key, value in config.items() if key not in _ASIDE}
    return config


@contextmanager
def _clear(what: str) -> Iterator[None]:
    """One line of whatever transformers, the hub or a file raises; without their own reports and bars for a small
    file.
    """
    level, hub = transformers_logging.get_verbosity(), transformers_logging.logging.getLogger("huggingface_hub")
    hub_level = hub.level
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    hub.setLevel(transformers_logging.ERROR)
    try:
        with without_bars(transformers_logging):
            yield
    except Exception as error:  # OSError, ValueError, those of the hub, of safetensors, of torch
        raise C3Error(
            f"{what}: {lines_of(error)[0][:300].rstrip('.')}. Check the name, the files and the network."
        ) from error
    finally:
        hub.setLevel(hub_level)
        transformers_logging.set_verbosity(level)

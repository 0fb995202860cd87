"""Load a model of open_clip with its weights, its preprocessing and its tokenizer."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from torch import Tensor

from c3_clip.checkpoint import load_checkpoint, warn_of_doubts
from c3_clip.naming import RANDOM, Name
from c3core.errors import CorruptFile, library_errors, warn
from c3core.io import check_hub, read_json, short_hash, tensor_hash, write_json

NETWORK = "Check the name and the network."
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # what a repository of open_clip may hold


@dataclass(frozen=True)
class Clip:
    """A loaded model. `config` is its `model_cfg` and `preprocess` its `preprocess_cfg`, as open_clip writes them."""

    name: Name
    model: Any  # open_clip's CLIP, CustomTextCLIP or CoCa
    config: dict[str, Any]
    preprocess: dict[str, Any]

    @property
    def license(self) -> str:
        if self.name.weights == RANDOM:
            return "own"
        return "MIT" if self.name.weights == "openai" else "unknown: see the model's page"

    @cached_property
    def image_fingerprint(self) -> str:
        """A hash of the image tower's weights, its architecture and its preprocessing."""
        weights = {name: value for name, value in self.model.state_dict().items() if name.startswith("visual.")}
        return self._fingerprint(weights, {"vision": self.config["vision_cfg"], "preprocess": self.preprocess})

    @cached_property
    def text_fingerprint(self) -> str:
        """A hash of the text tower's weights and its architecture."""
        others = ("visual.", "logit_")
        weights = {name: value for name, value in self.model.state_dict().items() if not name.startswith(others)}
        return self._fingerprint(weights, {"text": self.config["text_cfg"]})

    def _fingerprint(self, weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> str:
        shared = {name: value for name, value in self.config.items() if name not in ("vision_cfg", "text_cfg")}
        text = json.dumps({**settings, "model": shared}, sort_keys=True, default=list)
        return short_hash(f"{text}\0{tensor_hash(weights)}")


def config_of(name: Name) -> dict[str, Any]:
    """The `model_cfg` of a name, from open_clip, a hub, a folder or a file.

    A file may give a `preprocess_cfg` too; it is kept under that key.
    """
    if name.is_config:
        found = read_json(name.model)
        config = found.get("model_cfg", found) if isinstance(found, dict) else None
        if isinstance(config, dict) and isinstance(found.get("preprocess_cfg"), dict):
            config = {**config, "preprocess_cfg": found["preprocess_cfg"]}
    else:
        _check_hub(name)
        with library_errors(f"the description of {name.model} cannot be loaded", NETWORK), _quiet():
            config = open_clip.get_model_config(name.model)
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise CorruptFile(
            f"{name.model} does not describe a model of open_clip. Give it embed_dim, vision_cfg and text_cfg."
        )
    return config


def load_clip(name: Name, described: Mapping[str, Any], *, seed: int, device: torch.device) -> Clip:
    """Build the model of a `model_cfg` and load its weights, in float32 and without gradients.

    `seed` draws random weights. Raises `C3Error` if the weights cannot be loaded or belong to another model.
    """
    config: dict[str, Any] = deepcopy(dict(described))
    with _open_clip_name(name, config) as model_name, _quiet():
        if name.weights == RANDOM or name.is_file:
            what, advice = f"{name.model} cannot be built", "Check its description."
            with library_errors(what, advice), torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = open_clip.create_model(model_name, load_weights=False, pretrained_text=False)
            if name.is_file:
                load_checkpoint(model, name)
        else:
            model = _pretrained(name, config)
    own = config.pop("preprocess_cfg", {})
    preprocess = {**open_clip.get_model_preprocess_cfg(model), **own, "size": model.visual.image_size}
    preprocess = vars(PreprocessCfg(**{**vars(PreprocessCfg()), **preprocess}))
    if name.is_file or name.model.startswith("local-dir:"):
        warn_of_doubts(name, config, model)
    return Clip(name, model.to(device).eval().requires_grad_(False), config, preprocess)


def load_tokenizer(name: Name, config: Mapping[str, Any]) -> Any:
    """open_clip's tokenizer of the model. Raises `C3Error` if it is on a hub that cannot be reached."""
    with (
        _open_clip_name(name, config) as model_name,
        _quiet(),
        library_errors(f"the tokenizer of {name.model} cannot be loaded", NETWORK),
    ):
        return open_clip.get_tokenizer(model_name)


@contextmanager
def _open_clip_name(name: Name, config: Mapping[str, Any]) -> Iterator[str]:
    """The name that open_clip knows the model by. A description in a file becomes a folder that open_clip can read."""
    if not name.is_config:
        yield name.model
        return
    with tempfile.TemporaryDirectory() as folder:
        model = {key: value for key, value in config.items() if key != "preprocess_cfg"}
        write_json(Path(folder) / "open_clip_config.json", {"model_cfg": model})
        yield f"local-dir:{folder}"


def _pretrained(name: Name, config: dict[str, Any]) -> Any:
    """The model with the weights of a tag, a hub or a folder. If the weights need quick GELU, the model gets it."""
    quick = _needs_quick_gelu(name)
    _check_hub(name)
    if quick and not config.get("quick_gelu"):
        warn(
            f"the weights {name.weights} need quick GELU, which {name.model} lacks: it is used, as in"
            f" {name.model}-quickgelu.",
        )
        config["quick_gelu"] = True
    with library_errors(f"{name} cannot be loaded", "Check the name and the network, or give a file of weights."):
        return open_clip.create_model(
            name.model, name.weights or None, require_pretrained=True, weights_only=True, force_quick_gelu=quick
        )


def _needs_quick_gelu(name: Name) -> bool:
    return bool(name.weights) and bool(open_clip.get_pretrained_cfg(name.model, name.weights).get("quick_gelu"))


def _check_hub(name: Name) -> None:
    """Raise `NotReachable` at once, with the file to fetch, if the weights are on a hub that cannot be reached."""
    if name.model.startswith("hf-hub:"):
        repository = name.model.removeprefix("hf-hub:")
        advice = f"On a machine with a network, fetch {repository} into a folder; here write clip:local-dir:FOLDER."
        check_hub(repository, "open_clip_config.json", advice=advice)
    elif name.weights and name.weights != RANDOM and not name.is_file:
        published = open_clip.get_pretrained_cfg(name.model, name.weights)
        place = published.get("hf_hub", "")
        if not place or "file" in published:
            return
        repository, _, file = place.rpartition("/")
        quick = "-quickgelu" if _needs_quick_gelu(name) and not name.model.endswith("-quickgelu") else ""
        advice = (
            f"On a machine with a network, fetch {file or WEIGHTS[0]} of {repository}; here write"
            f" clip:{name.model}{quick}//PATH/{file or WEIGHTS[0]}."
        )
        check_hub(repository, *([file] if file else WEIGHTS), advice=advice)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip from setting up logging for the whole program, and the hub's client from logging each retry."""
    handler, hub = logging.NullHandler(), logging.getLogger("huggingface_hub")
    level = hub.level
    logging.getLogger().addHandler(handler)
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(level)
        logging.getLogger().removeHandler(handler)

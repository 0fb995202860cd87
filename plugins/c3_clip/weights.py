"""A model of open_clip with its weights, its preprocessing, and what identifies both."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
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
from safetensors import safe_open
from torch import Tensor, nn

from c3_clip.naming import RANDOM, Name
from c3core.errors import C3Error, lines_of
from c3core.io import read_json, tensor_hash, write_json

_PIXELS = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Clip:
    """A loaded model. `config` is its `model_cfg`, `preprocess` its `preprocess_cfg`, as open_clip writes them."""

    name: Name
    model: Any  # open_clip's CLIP, CustomTextCLIP or CoCa
    config: dict[str, Any]
    preprocess: dict[str, Any]
    license: str
    device: torch.device

    @cached_property
    def image_identity(self) -> str:
        """A hash of the image tower's weights and of how a picture is made ready and computed."""
        settings = {"vision": self.config["vision_cfg"], "preprocess": self.preprocess}
        return self._identity({name: value for name, value in self._state() if name.startswith("visual.")}, settings)

    @cached_property
    def text_identity(self) -> str:
        """A hash of the text tower's weights and of how a text is made ready and computed."""
        tower = {name: value for name, value in self._state() if not name.startswith(("visual.", "logit_"))}
        return self._identity(tower, {"text": self.config["text_cfg"]})

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.model.state_dict().items()

    def _identity(self, weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> str:
        shared = {name: value for name, value in self.config.items() if name not in ("vision_cfg", "text_cfg")}
        text = json.dumps({**settings, "model": shared}, sort_keys=True, default=list)
        return hashlib.sha256(f"{text}\0{tensor_hash(weights)}".encode()).hexdigest()[:32]


def config_of(name: Name) -> dict[str, Any]:
    """The `model_cfg` of a name, with `preprocess_cfg` in it where a file of one's own gives that. A hub is asked for
    it.
    """
    if name.is_config:
        found = read_json(name.model)
        config = found.get("model_cfg", found) if isinstance(found, dict) else None
        if isinstance(config, dict) and isinstance(found.get("preprocess_cfg"), dict):
            config = {**config, "preprocess_cfg": found["preprocess_cfg"]}
    else:
        with _clear(f"the description of {name.model} cannot be had", "Check the name and the network."), _quiet():
            config = open_clip.get_model_config(name.model)
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise C3Error(
            f"{name.model} does not describe a model of open_clip: embed_dim, vision_cfg and text_cfg are missing."
        )
    return config


def load_clip(name: Name, described: Mapping[str, Any], *, seed: int, device: torch.device) -> Clip:
    """Build the model and fill it, in float32. Raises `C3Error` if its weights cannot be had or are another model's."""
    config: dict[str, Any] = deepcopy(dict(described))
    with _open_clip_name(name, config) as model_name, _quiet():
        if name.weights == RANDOM or name.is_file:
            with _clear(f"{name.model} cannot be built", "Check its description."), torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = open_clip.create_model(model_name, load_weights=False, pretrained_text=False)
            if name.is_file:
                _fill(model, name)
        else:
            model = _pretrained(name, config)
    own = config.pop("preprocess_cfg", {})
    preprocess = {**open_clip.get_model_preprocess_cfg(model), **own, "size": model.visual.image_size}
    preprocess = vars(PreprocessCfg(**{**vars(PreprocessCfg()), **preprocess}))
    if name.is_file or name.model.startswith("local-dir:"):
        _say_doubts(name, config, model)
    model = model.to(device).eval().requires_grad_(False)
    return Clip(name, model, config, preprocess, _license(name), device)


def load_tokenizer(name: Name, config: Mapping[str, Any]) -> Any:
    """open_clip's tokenizer of the model. A `C3Error` says that a hub which holds it was not reached."""
    with (
        _open_clip_name(name, config) as model_name,
        _quiet(),
        _clear(f"the tokenizer of {name.model} cannot be had", "Check the network."),
    ):
        return open_clip.get_tokenizer(model_name)


@contextmanager
def _open_clip_name(name: Name, config: Mapping[str, Any]) -> Iterator[str]:
    """The name by which open_clip finds the model: a config of one's own becomes a folder such as it reads."""
    if not name.is_config:
        yield name.model
        return
    with tempfile.TemporaryDirectory() as folder:
        model = {key: value for key, value in config.items() if key != "preprocess_cfg"}
        write_json(Path(folder) / "open_clip_config.json", {"model_cfg": model})
        yield f"local-dir:{folder}"


def _pretrained(name: Name, config: dict[str, Any]) -> Any:
    """The model with the weights of a tag, a hub or a folder. Weights that need quick GELU get it: else they give other
    numbers.
    """
    quick = bool(name.weights) and bool(open_clip.get_pretrained_cfg(name.model, name.weights).get("quick_gelu"))
    if quick and not config.get("quick_gelu"):
        model = name.model
        message = (
            f"the weights {name.weights} need quick GELU, which {model} lacks: it is used (as {model}-quickgelu does)."
        )
        warnings.warn(message, stacklevel=5)
        config["quick_gelu"] = True
    with _clear(f"{name} cannot be loaded", "Check the name and the network, or give a file of weights."):
        return open_clip.create_model(
            name.model, name.weights or None, require_pretrained=True, weights_only=True, force_quick_gelu=quick
        )


def _fill(model: nn.Module, name: Name) -> None:
    """Load a file of weights, after a look whether it is this model's.

    open_clip would stretch the positions of a model of another size, in silence.
    """
    own = model.state_dict()
    with _clear(
        f"{name.weights} cannot be read as weights", "Give a safetensors file or a state dict that torch saved."
    ):
        shapes = _shapes(name.weights)
    other = [
        key
        for key, shape in shapes.items()
        if key in own and key not in ("logit_scale", "logit_bias") and own[key].shape != shape
    ]
    if other:
        here, there = tuple(own[other[0]].shape), tuple(shapes[other[0]])
        raise C3Error(
            f"{name.weights} holds another model than {name.model}: {other[0]} is {there} there and {here} here."
        )
    with _clear(f"{name.weights} holds another model than {name.model}", "Name the model that the weights belong to."):
        open_clip.load_checkpoint(model, name.weights, weights_only=True)


def _shapes(path: str) -> dict[str, torch.Size]:
    """The shapes of the tensors in a file by name, as open_clip names them; the tensors themselves are not read."""
    if path.endswith(".safetensors"):
        with safe_open(path, "pt") as file:
            return {key: torch.Size(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is refused below
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise C3Error("it is a TorchScript archive, which holds code") from None
        held = torch.load(path, map_location="cpu", weights_only=True)  # saved before torch 1.6
    held = held.get("state_dict", held) if isinstance(held, dict) else held
    tensors = {key: value for key, value in held.items() if isinstance(value, Tensor)} if isinstance(held, dict) else {}
    if not tensors:
        raise C3Error("it holds no tensors by name")
    return {str(key).removeprefix("module."): value.shape for key, value in tensors.items()}


def _say_doubts(name: Name, config: Mapping[str, Any], model: Any) -> None:
    """Warn where a file of weights probably wants something else than what it gets; nothing in it says so for sure."""
    own = name.is_config or not name.weights  # described by its user: no tag says what its weights need
    tags = [] if own else open_clip.list_pretrained_tags_by_model(name.model)
    first = next(model.visual.parameters()).detach()
    half = torch.equal(first, first.half().float())  # OpenAI published in half precision
    if (
        not config.get("quick_gelu")
        and ("openai" in tags or own)
        and (half or "openai" in Path(name.weights or name.model).name.lower())
    ):
        mend = (
            'set "quick_gelu": true in its description' if own else f"write clip:{name.model}-quickgelu/{name.weights}"
        )
        warnings.warn(f"if these are weights by OpenAI, they need quick GELU: {mend}.", stacklevel=5)
    published = [open_clip.get_pretrained_cfg(name.model, tag) for tag in tags]
    default = vars(PreprocessCfg())
    if published and all(any(cfg.get(key, default[key]) != default[key] for key in _PIXELS) for cfg in published):
        warnings.warn(
            f"published weights of {name.model} take pictures otherwise than open_clip does for a file."
            " Where these do too, give clip:local-dir:FOLDER with a preprocess_cfg in its open_clip_config.json.",
            stacklevel=5,
        )


def _license(name: Name) -> str:
    if name.weights == RANDOM:
        return "own"
    return "MIT" if name.weights == "openai" else "unknown: see the model's page"


@contextmanager
def _clear(what: str, advice: str) -> Iterator[None]:
    """One line of whatever a library raises over a file, a name or a network."""
    try:
        yield
    except Exception as error:  # zip, pickle, safetensors, torch and the hub each have their own
        lines = lines_of(error)
        why = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]
        raise C3Error(f"{what}: {why.split(' Please ')[0][:300].rstrip('.')}. {advice}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip logs by the root logger, which would set up logging for the whole program; a hub logs each retry."""
    handler, hub = logging.NullHandler(), logging.getLogger("huggingface_hub")
    level = hub.level
    logging.getLogger().addHandler(handler)
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(level)
        logging.getLogger().removeHandler(handler)

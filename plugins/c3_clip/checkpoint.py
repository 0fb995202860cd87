"""Load a file of CLIP weights after checking that it belongs to the model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from safetensors import safe_open
from torch import Tensor, nn

from c3_clip.naming import Name
from c3core.errors import CorruptFile, library_errors, warn

PIXELS = ("mean", "std", "interpolation", "resize_mode")  # of a preprocess_cfg


def load_checkpoint(model: nn.Module, name: Name) -> None:
    """Load the file of weights of `name`. Raises `CorruptFile` if it cannot be read or belongs to another model.

    The shapes are compared first, because open_clip resizes the positions of a model of another size without a word.
    """
    own = model.state_dict()
    cannot, advice = f"{name.weights} cannot be read as weights", "Give a safetensors file or a state dict of torch."
    with library_errors(cannot, advice, CorruptFile):
        shapes = _shapes(name.weights)
    for key, shape in shapes.items():
        if key in own and key not in ("logit_scale", "logit_bias") and own[key].shape != shape:
            raise CorruptFile(
                f"{name.weights} holds another model than {name.model}: {key} has shape {tuple(shape)}, expected"
                f" {tuple(own[key].shape)}."
            )
    other, advice = f"{name.weights} holds another model than {name.model}", "Name the model that the weights are of."
    with library_errors(other, advice, CorruptFile):
        open_clip.load_checkpoint(model, name.weights, weights_only=True)


def _shapes(path: str) -> dict[str, torch.Size]:
    """The shapes of the tensors in a file, by the names that open_clip gives them. The tensors are not read."""
    if path.endswith(".safetensors"):
        with safe_open(path, "pt") as file:
            return {key: torch.Size(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about archives that are refused below
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise ValueError("it is a TorchScript archive, which holds code") from None
        held = torch.load(path, map_location="cpu", weights_only=True)  # torch before 1.6 wrote files that do not map
    held = held.get("state_dict", held) if isinstance(held, dict) else held
    tensors = {key: value for key, value in held.items() if isinstance(value, Tensor)} if isinstance(held, dict) else {}
    if not tensors:
        raise ValueError("it holds no tensors by name")
    return {str(key).removeprefix("module."): value.shape for key, value in tensors.items()}


def warn_of_doubts(name: Name, config: Mapping[str, Any], model: Any) -> None:
    """Warn if a file of weights probably needs quick GELU or other pixels than it gets. No file says so itself."""
    own = name.is_config or not name.weights  # the user describes the model: no tag says what its weights need
    tags = [] if own else open_clip.list_pretrained_tags_by_model(name.model)
    first = next(model.visual.parameters()).detach()
    half = torch.equal(first, first.half().float())  # OpenAI published its weights in half precision
    if (
        not config.get("quick_gelu")
        and ("openai" in tags or own)
        and (half or "openai" in Path(name.weights or name.model).name.lower())
    ):
        instead = f"write clip:{name.model}-quickgelu/{name.weights}"
        advice = 'set "quick_gelu": true in its description' if own else instead
        warn(f"if these are weights by OpenAI, they need quick GELU: {advice}.")
    published = [open_clip.get_pretrained_cfg(name.model, tag) for tag in tags]
    default = vars(PreprocessCfg())
    if published and all(any(cfg.get(key, default[key]) != default[key] for key in PIXELS) for cfg in published):
        warn(
            f"published weights of {name.model} take other pixels than open_clip gives to a file. If these do too, give"
            " clip:local-dir:FOLDER with a preprocess_cfg in its open_clip_config.json.",
        )

"""Upstream's model class and tokenizer, without the rest of its package."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from c3_imagebind.sizes import Size
from c3core.errors import NotInstalled


def _module(name: str) -> Any:
    """A module of upstream's package."""
    if "imagebind" not in sys.modules:
        # The package's __init__ imports imagebind.data, which needs pkg_resources, torchaudio and an old pytorchvideo.
        # None of that is used here: a parent that was found but not run is enough to import the model's modules.
        spec = find_spec("imagebind")
        if spec is None:
            raise NotInstalled('ImageBind\'s model is missing. Run: pip install "c3core[imagebind]"')
        sys.modules["imagebind"] = module_from_spec(spec)
    return import_module(f"imagebind.models.{name}")


def build(size: Size, *, seed: int | None) -> Any:
    """Upstream's `ImageBindModel` in evaluation mode, float32 on the CPU, without gradients.

    Its weights are drawn from `seed`; with None they are left as the memory was, for others to replace.
    """
    model_class = _module("imagebind_model").ImageBindModel
    if seed is None:
        with _NoDraws():
            model = model_class(**size.model_dump())
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = model_class(**size.model_dump())
    return model.eval().requires_grad_(False)


_DRAWS = (Tensor.uniform_, Tensor.normal_, Tensor.erfinv_, nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)


class _NoDraws(TorchFunctionMode):
    """Leaves out random draws: for a billion weights they take longer than reading the file that replaces them."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        options = options or {}
        if function in _DRAWS:
            return arguments[0] if arguments else options["tensor"]
        return function(*arguments, **options)


@cache
def _tokenizer() -> Any:
    preprocessors = _module("multimodal_preprocessors")
    vocabulary = Path(str(preprocessors.__file__)).parent.parent / "bpe" / "bpe_simple_vocab_16e6.txt.gz"
    return preprocessors.SimpleTokenizer(bpe_path=str(vocabulary))


def tokens_of(texts: list[str]) -> Tensor:
    """(n, 77) int64: CLIP's byte pairs, cut to 75 and set between the marks of start and end, then zeros."""
    tokenizer = _tokenizer()
    return torch.stack([tokenizer(text) for text in texts])


def any_was_cut(texts: list[str], ids: Tensor) -> bool:
    """Whether a text had more byte pairs than its row of `ids`, of those that fill theirs, holds."""
    full = ids[:, -1].nonzero().flatten().tolist()
    return any(len(_tokenizer().encode(texts[row])) > ids.shape[1] - 2 for row in full)

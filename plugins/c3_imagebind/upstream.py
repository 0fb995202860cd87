"""Use upstream's model class and tokenizer without the rest of its package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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


def upstream_module(name: str) -> Any:
    """A module of upstream's package `imagebind.models`."""
    if "imagebind" not in sys.modules:
        # The package's __init__ imports imagebind.data, which needs pkg_resources, torchaudio and an old pytorchvideo.
        # None of it is used here, so the package is registered without running its __init__.
        spec = find_spec("imagebind")
        if spec is None:
            raise NotInstalled('ImageBind\'s model is missing. Run: pip install "c3core[imagebind]"')
        sys.modules["imagebind"] = module_from_spec(spec)
    return import_module(f"imagebind.models.{name}")


def build(size: Size, *, seed: int | None) -> Any:
    """Upstream's `ImageBindModel` in evaluation mode, float32 on the CPU, without gradients.

    `seed` draws its weights. With None they are not initialized, and must be loaded.
    """
    model_class = upstream_module("imagebind_model").ImageBindModel
    if seed is None:
        with NoDraws():
            model = model_class(**size.model_dump())
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = model_class(**size.model_dump())
    return model.eval().requires_grad_(False)


_DRAWS = (Tensor.uniform_, Tensor.normal_, Tensor.erfinv_, nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)


class NoDraws(TorchFunctionMode):
    """Skips random draws inside. For a billion weights they take longer than reading the file that replaces them."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        options = options or {}
        if function in _DRAWS:
            return arguments[0] if arguments else options["tensor"]
        return function(*arguments, **options)


@cache
def _tokenizer() -> Any:
    preprocessors = upstream_module("multimodal_preprocessors")
    vocabulary = Path(str(preprocessors.__file__)).parent.parent / "bpe" / "bpe_simple_vocab_16e6.txt.gz"
    return preprocessors.SimpleTokenizer(bpe_path=str(vocabulary))


def tokens_of(texts: Sequence[str]) -> Tensor:
    """Token ids (n, 77), int64: at most 75 of CLIP's byte pairs between a start and an end mark, then zeros."""
    tokenizer = _tokenizer()
    return torch.stack([tokenizer(text) for text in texts])


def any_truncated(texts: Sequence[str], ids: Tensor) -> bool:
    """Whether a text has more byte pairs than its row of `ids` holds. Only texts that fill their row are checked."""
    full = ids[:, -1].nonzero().flatten().tolist()
    return any(len(_tokenizer().encode(texts[row])) > ids.shape[1] - 2 for row in full)

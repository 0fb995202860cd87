"""The encoders of a contrastive model of transformers."""

from __future__ import annotations

import hashlib
import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from c3_hf.model import FEATURES, Loaded
from c3_hf.preparing import PictureReader, Prepared, SoundReader
from c3core.contracts import Encoder, Reader
from c3core.errors import C3Error
from c3core.media import TextReader

SHORT = 128  # tokens: up to here every text is padded to the whole context


class HFEncoder(Encoder):
    """What all modalities share: the model's `get_…_features` on what its processor made."""

    def __init__(self, loaded: Loaded, modality: str, dtype: torch.dtype, preparing: str) -> None:
        self.loaded, self.modality, self.dtype = loaded, modality, dtype
        self.space, self.dim = f"hf:{loaded.described.name}", loaded.described.dim
        self.license = "unknown: see the model's page"
        self.fingerprint = hashlib.sha256(f"{modality} {loaded.identity} {preparing}".encode()).hexdigest()[:32]
        self._method = getattr(loaded.model, FEATURES[modality])
        self._takes = set(inspect.signature(self._method).parameters)

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(n, dim) of a processor's batch; what the method does not name is left out."""
        device = self.loaded.device
        given = {name: value.to(device) for name, value in batch.items() if name in self._takes}
        with torch.autocast(device.type, self.dtype, enabled=self.dtype is not torch.float32):
            found = self._method(**given)
        embeddings = found if isinstance(found, Tensor) else getattr(found, "pooler_output", None)
        if not isinstance(embeddings, Tensor) or embeddings.shape[1:] != (self.dim,):
            shape = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(found).__name__
            raise C3Error(
                f"{self.space} gives {shape} for {self.modality}, not one embedding of {self.dim} numbers an item."
            )
        return embeddings


class TextEncoder(HFEncoder):
    """Items are strings. A text longer than the context is cut; a warning says so once."""

    def __init__(self, loaded: Loaded, dtype: torch.dtype = torch.float32) -> None:
        self.tokenizer = loaded.processor.tokenizer
        self.context = _context(loaded)
        # Models without a mask, such as SigLIP, were trained on whole contexts. The others do not see the padding:
        # where their context is long, texts are padded to the longest.
        self.padding = "max_length" if self.context <= SHORT else "longest"
        super().__init__(loaded, "text", dtype, f"{_identity(self.tokenizer)} {self.context} {self.padding}")
        self._said = False

    def reader(self) -> Reader:
        return TextReader()

    def embed(self, items: Sequence[str]) -> Tensor:
        """(n, dim) embeddings of strings, in the model's own scale."""
        batch = self.loaded.processor(
            text=list(items), padding=self.padding, truncation=True, max_length=self.context, return_tensors="pt"
        )
        if not self._said:
            self._say_cut(items)
        return self.features(batch)

    def _say_cut(self, items: Sequence[str]) -> None:
        # Each token stands for a character at least, or for an end: short texts need no second look.
        long = [item for item in items if len(item.encode()) + 2 > self.context]
        if long and any(
            len(ids) > self.context for ids in self.tokenizer(long, truncation=False, verbose=False)["input_ids"]
        ):
            self._said = True
            warnings.warn(
                f"a text is longer than {self.context} tokens: only its beginning counts (said once).", stacklevel=4
            )


class MediaEncoder(HFEncoder):
    """Pictures or sounds. Items are what the model's own processor makes of one, as tensors by name."""

    def __init__(self, loaded: Loaded, modality: str, dtype: torch.dtype = torch.float32) -> None:
        pictures = modality == "image"
        self.processor = loaded.processor.image_processor if pictures else loaded.processor.feature_extractor
        super().__init__(loaded, modality, dtype, self.processor.to_json_string())

    def reader(self) -> Reader:
        return PictureReader(self.processor) if self.modality == "image" else SoundReader(self.processor)

    def embed(self, items: Sequence[Prepared]) -> Tensor:
        """(n, dim) embeddings of pictures or sounds, in the model's own scale."""
        shapes = {name: {item[name].shape for item in items} for name in items[0]}
        if all(len(found) == 1 for found in shapes.values()):
            return self.features({name: torch.stack([item[name] for item in items]) for name in items[0]})
        # Some processors keep a picture's own proportions: then each goes alone.
        return torch.cat([self.features({name: value.unsqueeze(0) for name, value in item.items()}) for item in items])


def _context(loaded: Loaded) -> int:
    """How many tokens of a text the model can take."""
    text: Any = getattr(loaded.described.config, "text_config", None)
    tokenizer = loaded.processor.tokenizer
    positions = getattr(text, "max_position_embeddings", None) or SHORT
    if hasattr(text, "pad_token_id") and any(kind in f"{text.model_type}" for kind in ("roberta", "clap", "altclip")):
        positions -= text.pad_token_id + 1  # RoBERTa counts positions from behind the padding's
    return int(min(positions, tokenizer.model_max_length))


def _identity(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:  # less what its last use set, and what each use sets anew
        text = json.dumps({**json.loads(backend.to_str()), "truncation": None, "padding": None}, sort_keys=True)
    else:
        text = repr(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(f"{type(tokenizer).__name__} {text}".encode()).hexdigest()

"""Encode text, pictures and sounds with a contrastive model of transformers."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from c3_hf.model import FEATURES, Loaded
from c3_hf.readers import PictureReader, Prepared, SoundReader
from c3core.contracts import Encoder, Reader
from c3core.errors import C3Error
from c3core.io import short_hash
from c3core.media import TextReader, TruncationCheck
from c3core.runtime import autocast

SHORT = 128  # tokens: texts are padded to the whole context if it is at most so long


class HFEncoder(Encoder):
    """Calls the model's `get_…_features` on what its processor made. `preparation` is hashed into the fingerprint."""

    def __init__(self, loaded: Loaded, modality: str, dtype: torch.dtype, preparation: str) -> None:
        self.loaded, self.modality, self.dtype = loaded, modality, dtype
        self.space, self.dim, self.license = f"hf:{loaded.described.name}", loaded.described.dim, loaded.license
        self.fingerprint = short_hash(f"{modality} {loaded.identity} {preparation}")
        self._method = getattr(loaded.model, FEATURES[modality])
        self._parameters = set(inspect.signature(self._method).parameters)

    def torch_modules(self) -> list[nn.Module]:
        return [self.loaded.model]

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Embeddings (n, dim) of a processor's batch. Tensors that the model's method does not take are left out."""
        arguments = {name: value.to(self.device) for name, value in batch.items() if name in self._parameters}
        with autocast(self.device, self.dtype):
            found = self._method(**arguments)
        # transformers 4 returns a tensor, transformers 5 an output with one.
        embeddings = found if isinstance(found, Tensor) else getattr(found, "pooler_output", None)
        if not isinstance(embeddings, Tensor) or embeddings.shape[1:] != (self.dim,):
            shape = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(found).__name__
            raise C3Error(f"{self.space} gives {shape} for {self.modality}, expected (n, {self.dim}).")
        return embeddings


class TextEncoder(HFEncoder):
    """Items are strings. A text that is longer than the context is cut; a warning says so once."""

    def __init__(self, loaded: Loaded, dtype: torch.dtype = torch.float32) -> None:
        self.tokenizer = loaded.processor.tokenizer
        if self.tokenizer.pad_token is None:
            raise C3Error(
                f"the tokenizer of {loaded.described.name} has no padding token, so that no text can be embedded. Set"
                " tokenizer.pad_token and save the processor again."
            )
        self.context = _context(loaded)
        # Models without an attention mask, such as SigLIP, were trained on whole contexts. The others ignore padding,
        # so that texts are padded only to the longest if the context is long.
        self.padding = "max_length" if self.context <= SHORT else "longest"
        super().__init__(loaded, "text", dtype, f"{_identity(self.tokenizer)} {self.context} {self.padding}")
        self.check = TruncationCheck(self.context)

    def reader(self) -> Reader:
        return TextReader()

    def embed(self, items: Sequence[str]) -> Tensor:
        """Embeddings (n, dim) of strings, in the model's own scale."""
        batch = self.loaded.processor(
            text=list(items), padding=self.padding, truncation=True, max_length=self.context, return_tensors="pt"
        )
        self.check(lambda: self._any_truncated(items))
        return self.features(batch)

    def _any_truncated(self, items: Sequence[str]) -> bool:
        # A token is at least one byte of the text, or one of two end marks: short texts are not tokenized again.
        long = [item for item in items if len(item.encode()) + 2 > self.context]
        if not long:
            return False
        ids = self.tokenizer(long, truncation=False, verbose=False)["input_ids"]
        return any(len(row) > self.context for row in ids)


class MediaEncoder(HFEncoder):
    """Items are pictures or sounds as the model's processor makes them: tensors by name."""

    def __init__(self, loaded: Loaded, modality: str, dtype: torch.dtype = torch.float32) -> None:
        pictures = modality == "image"
        self.processor = loaded.processor.image_processor if pictures else loaded.processor.feature_extractor
        super().__init__(loaded, modality, dtype, self.processor.to_json_string())

    def reader(self) -> Reader:
        return PictureReader(self.processor) if self.modality == "image" else SoundReader(self.processor)

    def embed(self, items: Sequence[Prepared]) -> Tensor:
        """Embeddings (n, dim) of pictures or sounds, in the model's own scale."""
        shapes = {name: {item[name].shape for item in items} for name in items[0]}
        if all(len(found) == 1 for found in shapes.values()):
            return self.features({name: torch.stack([item[name] for item in items]) for name in items[0]})
        # Some processors keep a picture's proportions. Items of unlike shapes go through the model one by one.
        return torch.cat([self.features({name: value.unsqueeze(0) for name, value in item.items()}) for item in items])


def _context(loaded: Loaded) -> int:
    """The number of tokens that the model can read of a text."""
    text: Any = getattr(loaded.described.config, "text_config", None)
    tokenizer = loaded.processor.tokenizer
    positions = getattr(text, "max_position_embeddings", None) or SHORT
    if hasattr(text, "pad_token_id") and any(kind in f"{text.model_type}" for kind in ("roberta", "clap", "altclip")):
        positions -= text.pad_token_id + 1  # RoBERTa counts positions from after that of the padding
    return int(min(positions, tokenizer.model_max_length))


def _identity(tokenizer: Any) -> str:
    """A hash of a tokenizer's vocabulary and rules."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:  # without the settings that each call leaves behind
        text = json.dumps({**json.loads(backend.to_str()), "truncation": None, "padding": None}, sort_keys=True)
    else:
        text = repr(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(f"{type(tokenizer).__name__} {text}".encode()).hexdigest()

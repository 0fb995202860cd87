"""Encode text, pictures and sounds with a model of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from c3_st.model import Loaded
from c3core.contracts import Encoder, Reader
from c3core.errors import CorruptFile
from c3core.io import short_hash
from c3core.media import AudioReader, ImageReader, TextReader, TruncationCheck
from c3core.runtime import autocast


class ModelEncoder(Encoder):
    """Embeds as `SentenceTransformer.encode` does, with the model's default prompt.

    Items are strings, pictures or waves at the model's sampling rate. A text that is longer than the model can read is
    cut; a warning says so once.
    """

    def __init__(self, loaded: Loaded, modality: str, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.modality, self.dtype = loaded.model, modality, dtype
        self.space, self.dim, self.license = f"st:{loaded.name}", loaded.dim, loaded.license
        self.fingerprint = short_hash(f"{modality} {loaded.identity}")
        self.prompt = self.model.prompts.get(self.model.default_prompt_name)
        self.check = TruncationCheck(self.model.max_seq_length or 0)
        self.rate = self._sampling_rate(loaded.name) if modality == "audio" else 0

    def _sampling_rate(self, name: str) -> int:
        rate = getattr(getattr(self.model[0].processor, "feature_extractor", None), "sampling_rate", None)
        if not isinstance(rate, int):
            raise CorruptFile(f"{name} does not say the sampling rate of its sounds. Get it again.")
        return rate

    def torch_modules(self) -> list[nn.Module]:
        return [self.model]

    def reader(self) -> Reader:
        if self.modality == "text":
            return TextReader()
        return ImageReader() if self.modality == "image" else AudioReader(self.rate)

    def embed(self, items: Sequence[Any]) -> Tensor:
        """Embeddings (n, dim) in the model's own scale."""
        if self.modality == "text":
            self.check(lambda: self._any_truncated(items))
        inputs = [{self.modality: self._input(item)} for item in items]  # a text is never taken for a file's name
        state = np.random.get_state()
        np.random.seed(0)  # CLAP's extractor cuts a long sound at a random place; here the place is fixed
        try:
            batch = self.model.preprocess(inputs, prompt=self.prompt)
        finally:
            np.random.set_state(state)
        with autocast(self.device, self.dtype):
            found: Tensor = self.model(send_to_device(batch, self.device))["sentence_embedding"]
        return found[:, : self.dim]

    def _input(self, item: Any) -> Any:
        return {"array": item, "sampling_rate": self.rate} if self.modality == "audio" else item

    def _any_truncated(self, items: Sequence[str]) -> bool:
        most, whole = self.model.max_seq_length, [f"{self.prompt or ''}{item}" for item in items]
        # A token is at least one byte of the text, or one of two end marks: short texts are not tokenized again.
        long = [text for text in whole if most and len(text.encode()) + 2 > most]
        if not long:
            return False
        tokens = self.model.tokenizer(long, truncation=False, verbose=False)["input_ids"]
        return any(len(row) > most for row in tokens)

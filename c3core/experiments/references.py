"""The references of a table: each distinct one looked at once, before the outputs are made, which takes long."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch

from c3core.contracts import BadItem, Encoder
from c3core.data.tables import key_of
from c3core.errors import C3Error


class References:
    """The distinct references of a table, and by key why some cannot be read."""

    bad: dict[Hashable, BadItem]

    def __init__(self, groups: Sequence[tuple[Any, Sequence[Any]]]) -> None:
        self.distinct = {key_of(reference): reference for _, references in groups for reference in references}
        self.count = len(self.distinct)

    def readable(self, references: Sequence[Any]) -> list[Any]:
        return [reference for reference in references if key_of(reference) not in self.bad]

    def refuse_none(self) -> None:
        if len(self.bad) == self.count:
            raise C3Error(f"no reference of the table could be read: {next(iter(self.bad.values()))}")


class TextReferences(References):
    """References that are text: one without a word cannot be compared with."""

    def __init__(self, groups: Sequence[tuple[Any, Sequence[Any]]]) -> None:
        super().__init__(groups)
        self.bad = {
            key: BadItem(text.strip() or "an empty sentence", "it has no word")
            for key, text in self.distinct.items()
            if isinstance(text, str) and not any(map(str.isalnum, text))
        }
        self.refuse_none()


class EmbeddedReferences(References):
    """References of any other kind, with the embeddings of those that can be read."""

    def __init__(self, encoder: Encoder, groups: Sequence[tuple[Any, Sequence[Any]]]) -> None:
        super().__init__(groups)
        batches, keys = list(encoder.encode_batches(self.distinct.values())), list(self.distinct)
        self.bad = {keys[position]: item for batch in batches for position, item in batch.bad}
        self.refuse_none()
        self.embeddings = torch.cat([batch.embeddings for batch in batches])

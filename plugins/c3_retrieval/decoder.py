"""A decoder that answers with the nearest sentence of its memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from c3core.contracts import Decoder, DecoderSettings, DecoderState, GenerationOptions, Reader
from c3core.errors import C3Error, CorruptFile
from c3core.io import read_json, read_tensors, write_json, write_tensors
from c3core.media import TextReader

SENTENCES = "sentences.json"
MEMORY = "memory.safetensors"
CHUNK = 1 << 16  # sentences that are compared at once
DTYPES = {"float16": torch.float16, "float32": torch.float32}


class RetrievalSettings(DecoderSettings):
    """What a `RetrievalDecoder` keeps."""

    size: int | None = Field(None, ge=1, description="sentences to keep, drawn at random; None: all")
    precision: Literal["float16", "float32"] = Field("float16", description="of the conditions that are kept")


class RetrievalState(DecoderState):
    """The number of sentences in the memory."""

    count: int = Field(ge=1)


class RetrievalDecoder(Decoder):
    """CLIPRe: the sentence of a memory whose condition has the largest cosine with the given one.

    `fit` keeps the sentences of `items` with their conditions, or with `pairs` those of the pairs' sources. A fit on
    other sentences replaces them. In Table 2 of the C3 paper it has a CIDEr of 25.6 with the text of CC3M.

    >>> decoder = RetrievalDecoder(2, device="cpu")
    >>> decoder.memorize([(torch.eye(2), ["a red circle", "a blue square"])])
    >>> decoder.generate(torch.tensor([[0.2, 0.9], [3.0, 1.0]]))
    ['a blue square', 'a red circle']
    """

    name: ClassVar[str] = "clipre"
    modality: ClassVar[str] = "text"
    trainable = False
    memorizes: ClassVar[bool] = True
    settings_class: ClassVar[type[DecoderSettings]] = RetrievalSettings
    state_class: ClassVar[type[DecoderState]] = RetrievalState
    license = "own"
    settings: RetrievalSettings
    memory: Tensor

    def __init__(self, condition_dim: int, *, device: str | torch.device = "auto", **settings: Any) -> None:
        super().__init__(condition_dim, device=device, **settings)
        self.sentences: list[str] = []

    # ---- the memory

    def reader(self) -> Reader:
        """The core's text reader."""
        return TextReader()

    def _memorize(self, rows: Iterable[tuple[Tensor, Sequence[str]]]) -> None:
        dtype = DTYPES[self.settings.precision]
        kept, sentences = list[Tensor](), list[str]()
        for conditions, targets in rows:
            kept.append(normalize(conditions.float(), dim=-1).to(dtype))
            sentences += targets
        if not sentences:
            raise C3Error("there is no sentence to keep. Give items of text that can be read.")
        size = self.settings.size or len(sentences)
        chosen = torch.randperm(len(sentences))[:size].sort().values
        self._hold(torch.cat(kept)[chosen], [sentences[place] for place in chosen.tolist()])

    def _hold(self, memory: Tensor, sentences: list[str]) -> None:
        self.register_buffer("memory", memory)
        self.sentences = sentences

    def collate(self, targets: Sequence[str]) -> list[str]:
        return list(targets)

    def loss(self, conditions: Tensor, batch: Any) -> Tensor:
        """Raises `C3Error`: there is nothing to train."""
        raise C3Error(f"decoder {self.name!r} keeps its sentences and has no loss. Fit it without training options.")

    def nearest(self, conditions: Tensor, count: int) -> list[list[tuple[str, float]]]:
        """Return the `count` sentences that are nearest to each of the conditions (n, condition_dim), with cosines.

        >>> decoder = RetrievalDecoder(2, device="cpu")
        >>> decoder.memorize([(torch.eye(2), ["a red circle", "a blue square"])])
        >>> decoder.nearest(torch.tensor([[3.0, 4.0]]), 1)[0][0][0]
        'a blue square'
        """
        asked = normalize(self.check_conditions(conditions).float(), dim=-1)
        best, places = asked[:, :0], asked[:, :0].long()
        for start in range(0, len(self.memory), CHUNK):
            part = self.memory[start : start + CHUNK].to(asked.dtype)
            largest, place = (asked @ part.T).topk(min(count, len(part)), dim=1)
            best, places = torch.cat([best, largest], dim=1), torch.cat([places, place + start], dim=1)
            best, chosen = best.topk(min(count, best.shape[1]), dim=1)
            places = places.gather(1, chosen)
        rows = zip(places.tolist(), best.tolist(), strict=True)
        return [[(self.sentences[at], cosine) for at, cosine in zip(*row, strict=True)] for row in rows]

    # ---- generating

    def _generate(self, conditions: Tensor, options: GenerationOptions, generators: list[torch.Generator]) -> list[str]:
        return [sentence for ((sentence, _),) in self.nearest(conditions, 1)]

    # ---- files

    def _save_weights(self, folder: Path) -> None:
        """Write `memory.safetensors`, and `sentences.json` in the same order."""
        write_tensors(folder / MEMORY, self.state_dict())
        write_json(folder / SENTENCES, self.sentences)

    def _state(self) -> RetrievalState:
        return RetrievalState(count=len(self.sentences))

    def _load_weights(self, folder: Path, state: RetrievalState) -> None:
        sentences = read_json(folder / SENTENCES)
        if not isinstance(sentences, list) or len(sentences) != state.count or not all(map(_is_text, sentences)):
            raise CorruptFile(f"{folder / SENTENCES} is no list of {state.count} sentences. Fit and save it again.")
        self._hold(torch.zeros(state.count, self.condition_dim, dtype=DTYPES[self.settings.precision]), sentences)
        read_tensors(folder / MEMORY, self)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)

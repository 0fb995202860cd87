"""From the words of a command line to the inputs of a pipeline and the options of its decoder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3core.contracts import BadItem
from c3core.data.fingerprint import checksum
from c3core.data.items import guess_items, load_items, named
from c3core.data.modality import group_by_modality
from c3core.data.sources import Source
from c3core.data.tables import refuse_unused_root
from c3core.errors import WrongCall
from c3core.io.journaled_table import journal_of
from c3core.io.layout import STORE
from c3core.store.store import Store

if TYPE_CHECKING:
    from c3core.contracts import Encoded
    from c3core.pipeline.pipeline import Pipeline


@dataclass(frozen=True)
class Part:
    """Sources of one modality among the inputs, and the position of each."""

    modality: str
    positions: Sequence[int]
    sources: Sequence[Any] | Store

    def batches(self, pipeline: Pipeline, batch_size: int, start: int = 0) -> Iterable[Encoded]:
        """The embeddings of its sources from number `start` on. Their positions count from there."""
        if isinstance(self.sources, Store):
            return self.sources.encoded(batch_size, start=start)
        return pipeline.encoder(self.modality).encode_batches(self.sources[start:], batch_size=batch_size)

    @property
    def checksum(self) -> str:
        """A checksum of the sources, and of the sizes and times of the files that they name."""
        return self.sources.checksum if isinstance(self.sources, Store) else str(checksum(self.sources))


@dataclass(frozen=True)
class Inputs:
    """The sources that the words of a command line name, their parts by modality, and by position what is left out."""

    sources: Sequence[Source]
    parts: Sequence[Part]
    left_out: Mapping[int, BadItem]

    def __len__(self) -> int:
        return len(self.sources)

    def id(self, position: int) -> str:
        """Where a source was named: `photos/a.jpg`, `list.txt:7`."""
        return self.sources[position].id

    def name(self, position: int) -> str:
        """A source itself, if it is a path or a sentence, else its id."""
        source = self.sources[position]
        return str(source.source) if isinstance(source.source, str | Path) else source.id


def find_inputs(
    pipeline: Pipeline, inputs: Sequence[str], modality: str | None, root: Path | None, *, out: Path | None = None
) -> Inputs:
    """Return what `inputs` name. The modality of each source is guessed, unless it is given.

    The table `out` that is written, and its journal, are not among them, if it is written into a folder of inputs.
    """
    refuse_unused_root(root, inputs)
    written = set() if out is None else {os.path.abspath(path) for path in (out, journal_of(out))}
    known, target = pipeline.space.modalities, pipeline.decoder.modality
    if modality is None and not (len(inputs) == 1 and (Path(inputs[0]) / STORE).is_file()):
        sources, guesses = guess_items(inputs, known, target=target, root=root)
        kept = [at for at, source in enumerate(sources) if not _is_in(source, written)]
        if not kept:
            raise WrongCall(f"{inputs[0]} holds no files but {out}. Name another folder, or fill it.")
        sources, guesses = [sources[at] for at in kept], [guesses[at] for at in kept]
        held = [source.source for source in sources]
        groups, left_out = group_by_modality(held, known, target=target, takes=pipeline.bridge.takes, guesses=guesses)
        parts = [Part(name, positions, [held[at] for at in positions]) for name, positions in groups.items()]
        return Inputs(sources, parts, {at: BadItem(sources[at].id, item.why) for at, item in left_out.items()})
    reader = None if modality is None else pipeline.encoder(modality).reader()
    items = load_items(inputs, modality, root=root, reader=reader)
    if isinstance(items, Store):
        columns = (zip(batch.ids, batch.sources, strict=True) for batch in items.batches(columns=("id", "source")))
        sources = [Source(*pair) for batch in columns for pair in batch]
        return Inputs(sources, [Part(modality or items.modality, range(len(sources)), items)], {})
    sources = [source for source in named(items) if not _is_in(source, written)]
    return Inputs(sources, [Part(str(modality), range(len(sources)), [source.source for source in sources])], {})


def _is_in(source: Source, paths: set[str]) -> bool:
    return bool(paths) and isinstance(source.source, str | Path) and os.path.abspath(source.source) in paths

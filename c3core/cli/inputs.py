"""From the words of a command line to the inputs of a pipeline and the options of its decoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3core.contracts import BadItem
from c3core.data.items import guess_items, load_items, named
from c3core.data.modality import group_by_modality
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

    def batches(self, pipeline: Pipeline, batch_size: int) -> Iterable[Encoded] | Store:
        """Their embeddings."""
        if isinstance(self.sources, Store):
            return self.sources
        return pipeline.encoder(self.modality).encode_batches(self.sources, batch_size=batch_size)


def find_inputs(
    pipeline: Pipeline, inputs: Sequence[str], modality: str | None, root: Path | None
) -> tuple[list[str], list[Part], dict[int, BadItem]]:
    """Return the id of each source that `inputs` name, their parts by modality, and by position what is left out.

    The modality of each is guessed, unless it is given.
    """
    known, target = pipeline.space.modalities, pipeline.decoder.modality
    if modality is None and not (len(inputs) == 1 and (Path(inputs[0]) / STORE).is_file()):
        sources, guesses = guess_items(inputs, known, target=target, root=root)
        ids, held = [source.id for source in sources], [source.source for source in sources]
        groups, left_out = group_by_modality(held, known, target=target, takes=pipeline.bridge.takes, guesses=guesses)
        parts = [Part(name, positions, [held[at] for at in positions]) for name, positions in groups.items()]
        return ids, parts, {at: BadItem(ids[at], item.why) for at, item in left_out.items()}
    takes_text = None if modality is None else pipeline.encoder(modality).reader().takes_text
    items = load_items(inputs, modality, root=root, takes_text=takes_text)
    if isinstance(items, Store):
        ids = [name for batch in items.batches(columns=("id",)) for name in batch.ids]
        return ids, [Part(modality or items.modality, range(len(ids)), items)], {}
    sources = [*named(items)]
    part = Part(str(modality), range(len(sources)), [source.source for source in sources])
    return [source.id for source in sources], [part], {}

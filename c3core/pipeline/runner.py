"""Run a pipeline: from sources to outputs, batch by batch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

import torch

from c3core.contracts import Bridge, Decoder, Encoded, GenerationOptions
from c3core.data.modality import as_picture, group_by_modality
from c3core.errors import C3Error, WrongCall
from c3core.pipeline.best_of import best_of
from c3core.pipeline.encoders import BridgedEncoder, FittedEncoders
from c3core.statistics.familiarity import Familiarity, ForeignCheck
from c3core.store.store import Store

Output = tuple[int, Any]  # the position of a source, and what was made of it, or a `BadItem`


@dataclass(frozen=True)
class Runner:
    """One call of `Pipeline.run`. `bridge` is in the decoder's frame."""

    encoders: FittedEncoders
    bridge: Bridge
    decoder: Decoder
    options: GenerationOptions
    seed: int
    batch_size: int
    best_of: int
    familiar: Mapping[str, Familiarity]

    def __post_init__(self) -> None:
        """Refuse what cannot work whatever the sources are."""
        for name, count in (("best_of", self.best_of), ("batch_size", self.batch_size)):
            if not isinstance(count, int) or count < 1:
                raise WrongCall(f"{name} must be a whole number of at least 1, got {count!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:  # torch's generator heeds no more bits
            raise WrongCall(f"seed must be a whole number from 0 to 2**32 - 1, got {self.seed!r}.")
        if self.best_of > 1:
            self._output_encoder().check()

    def stream(
        self,
        sources: Iterable[Any] | Iterable[Encoded] | Store,
        modality: str | None = None,
        *,
        skip: int = 0,
        restarts: Collection[int] = (),
    ) -> Iterator[Output]:
        """Yield the outputs of many sources as soon as a batch is done.

        `skip` outputs were made before of earlier sources of the modality: draw what comes after theirs. At each of the
        positions `restarts` the random numbers begin anew.
        """
        if isinstance(sources, Store):
            if modality not in (None, sources.modality):
                raise WrongCall(f"the store {sources.folder} holds {sources.modality} embeddings, not {modality}.")
            yield from self._stream(sources.encoded(self.batch_size), sources.modality, skip, restarts)
            return
        first, every = _peek(sources)
        if isinstance(first, Encoded):
            yield from self._stream(every, modality or first.modality, skip, restarts)
        elif modality is not None:
            yield from self._encoded(every, modality, skip, restarts)
        elif skip or restarts:
            raise WrongCall("skip and restarts go with sources of one modality. Name it: modality=….")
        else:
            held = list(every)
            known, target = self.encoders.space.modalities, self.decoder.modality
            groups, left_out = group_by_modality(held, known, target=target, takes=self.bridge.takes)
            yield from left_out.items()
            for name, positions in groups.items():
                for at, output in self._encoded((held[position] for position in positions), name):
                    yield positions[at], output

    def _encoded(
        self, sources: Iterable[Any], modality: str, skip: int = 0, restarts: Collection[int] = ()
    ) -> Iterator[Output]:
        encoder = self.encoders.encoder(modality)
        return self._stream(encoder.encode_batches(sources, batch_size=self.batch_size), modality, skip, restarts)

    def _stream(
        self, batches: Iterable[Encoded], modality: str, skip: int, restarts: Collection[int]
    ) -> Iterator[Output]:
        generators = _Generators(self, restarts)
        self.decoder.skip(skip * self.best_of, self.options, generators.current)
        self.decoder.output_encoder = self._output_encoder()
        space = self.encoders.space
        fitted = modality in self.familiar
        check = ForeignCheck(self.familiar[modality] if fitted else space.familiar.get(modality))
        last = -1
        for part in batches:
            if part.modality != modality:
                raise WrongCall(f"these are {part.modality} embeddings, not {modality}.")
            positions = [*part.index, *(position for position, _ in part.bad)]
            if min(positions, default=last + 1) <= last:
                raise C3Error(f"batches must be of one stream: after position {last} comes {min(positions)}.")
            last = max(positions, default=last)
            self.encoders.check(modality, part.fingerprint)
            outputs = self._outputs(part, generators.of(part.index))
            check.add(part.embeddings, part.unlike.values())
            shown = zip(part.index, map(as_picture, outputs), strict=True)
            yield from sorted([*shown, *part.bad], key=lambda entry: entry[0])
        check.warn(modality, "those that the pipeline was fitted on" if fitted else f"what space {space.spec} knows")

    def _outputs(self, part: Encoded, generators: list[torch.Generator]) -> list[Any]:
        """Make at most `batch_size` outputs at a time."""
        conditions, outputs = self.bridge.condition(part.embeddings, part.modality), list[Any]()
        count, size = self.best_of, max(1, self.batch_size // self.best_of)
        for start in range(0, len(conditions), size):
            rows, own = conditions[start : start + size], generators[start * count : (start + size) * count]
            if count == 1:
                outputs += self.decoder.generate(rows, self.options, generator=own)
            else:
                encoder = self._output_encoder()
                outputs += best_of(self.decoder, encoder, rows, self.options, generator=own, count=count)
        return outputs

    def _output_encoder(self) -> BridgedEncoder:
        return BridgedEncoder(self.encoders, self.bridge, self.decoder)


class _Generators:
    """The random generators of outputs, in order. At each of the positions `restarts` the seed begins anew."""

    def __init__(self, runner: Runner, restarts: Collection[int]) -> None:
        self.runner, self.restarts = runner, sorted(restarts)
        self.run, self.current = 0, torch.Generator().manual_seed(runner.seed)

    def of(self, positions: Sequence[int]) -> list[torch.Generator]:
        """Return the generators of the outputs of these positions: `best_of` for each."""
        found: list[torch.Generator] = []
        for run, group in groupby(positions, partial(bisect_right, self.restarts)):
            if run != self.run:
                self.run, self.current = run, torch.Generator().manual_seed(self.runner.seed)
            count = len(list(group)) * self.runner.best_of
            found += self.runner.decoder.row_generators(count, self.runner.options, self.current)
        return found


def _peek(sources: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """The first of them, and all of them."""
    if isinstance(sources, Encoded):
        return sources, [sources]
    stream = iter(sources)
    seen = list(islice(stream, 1))
    return (seen[0] if seen else None), chain(seen, stream)

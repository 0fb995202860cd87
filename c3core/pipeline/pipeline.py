"""A pipeline: a space, a bridge and a decoder; fitted, run, saved and loaded as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor

from c3core.contracts import Bridge, Decoder, Encoded, Encoder, GenerationOptions, Space
from c3core.data.pairs import Pairs
from c3core.errors import C3Error, WrongCall
from c3core.io.files import working_folder
from c3core.io.layout import path_of
from c3core.io.validation import by_position
from c3core.pipeline.batching import rebatch
from c3core.pipeline.best_of import best_of as choose_best
from c3core.pipeline.encoders import FittedEncoders
from c3core.pipeline.fitting import PipelineFitter
from c3core.pipeline.output_encoder import BridgedEncoder
from c3core.pipeline.serialization import Saved, read_saved, save
from c3core.store.store import Store
from c3core.training.options import TrainingOptions


class Pipeline:
    """A space, a bridge and a decoder.

    >>> import c3core
    >>> space = c3core.load_space("playground")
    >>> decoder = c3core.load_decoder("gpt2", space=space, model="fresh")
    >>> pipeline = c3core.Pipeline(space, c3core.load_bridge("c3"), decoder)
    """

    def __init__(self, space: Space, bridge: Bridge, decoder: Decoder) -> None:
        for what, part, kind in (("space", space, Space), ("bridge", bridge, Bridge), ("decoder", decoder, Decoder)):
            if not isinstance(part, kind):
                raise WrongCall(
                    f"the {what} is a {type(part).__name__}, not a {kind.__name__}. Load it: c3core.load_{what}(…)."
                )
        if decoder.condition_dim != (size := bridge.condition_dim(space.dim)):
            raise WrongCall(
                f"decoder {decoder.name!r} takes conditions of size {decoder.condition_dim}, but bridge {bridge.name!r}"
                f" makes {size} of the {space.dim} dimensions of space {space.spec!r}. Load the decoder with"
                f" condition_dim={size}."
            )
        self.space, self.decoder = space, decoder
        self.bridge = bridge.native() if decoder.frame == "native" else bridge
        self.trained_on: list[dict[str, Any]] = []
        self.encoders = FittedEncoders(space)
        self.licenses: dict[str, str] = {}  # of these encoders, as the pipeline's folder said
        self.loaded: dict[str, str] = {}  # the sha256 of each file that it was loaded from

    # ---- training

    def fit(
        self,
        items: Mapping[str, Sequence[Any] | Store] | None = None,
        *,
        pairs: Pairs | None = None,
        validation: Sequence[Any] | Store | Pairs | None = None,
        bridge: Literal["fit", "keep"] = "fit",
        options: TrainingOptions | Mapping[str, Any] | None = None,
        folder: str | Path | None = None,
        embeddings: str | Path | None = None,
        device: str = "auto",
        quiet: bool = False,
    ) -> Self:
        """Fit the bridge on uni-modal `items`, then train the decoder; of other modalities than the decoder's only the
        statistics are used, and no pairing.

        `items` maps a modality to its sources (a list, an array, a pandas Series and the like, taken by position), or
        to a `Store` of this space's embeddings. With `pairs` the decoder is
        trained on them instead (supervised). `validation` holds targets (a list, a store, or pairs) for early stopping;
        otherwise a share is held out. `bridge="keep"` leaves a fitted bridge as it is: fine-tuning. `folder` keeps
        embeddings, checkpoints and metrics, so that a killed run continues; without it they are temporary. `embeddings`
        is a folder for these alone, which trainings on the same items may share: they are made once. `device` is where
        the decoder is trained, and stays; where several processes train, each has its own.
        """
        chosen = TrainingOptions.of(options)
        items = _by_position({} if items is None else items)
        if validation is not None and not isinstance(validation, Pairs):
            validation = _by_position({self.decoder.modality: validation})[self.decoder.modality]
        with working_folder(folder) as place:
            run = PipelineFitter(
                self.encoders,
                self.bridge,
                self.decoder,
                place,
                chosen,
                loaded=self.loaded,
                embeddings=embeddings,
                device=device,
                quiet=quiet,
            )
            run.check(items, pairs, validation)
            if bridge == "fit":
                run.fit_bridge(items, pairs)
            elif bridge != "keep":
                raise WrongCall(f'bridge must be "fit" or "keep", not {bridge!r}.')
            elif unused := sorted(items.keys() - {self.decoder.modality}):
                raise WrongCall(
                    f"the bridge is kept, so that items of {', '.join(unused)} would do nothing. Leave them out, give"
                    " another"
                    " bridge to be fitted on them, or add what it does not know by `extend` (in a recipe, `training:"
                    " null`)."
                )
            self.trained_on.append(run.train(items, pairs, validation))
        return self

    def with_bridge(self, bridge: Bridge) -> Self:
        """The same space and decoder with another bridge, yet to be fitted: on embeddings of the same encoders as this
        one.

        >>> import c3core
        >>> painter = c3core.load_pipeline("playground/painter-stylegan")
        >>> painter.with_bridge(c3core.load_bridge("c3", noise_std=0.05, rescale="none")).bridge.modalities
        ()
        """
        pipeline = type(self)(self.space, bridge, self.decoder)
        pipeline.trained_on, pipeline.loaded = [*self.trained_on], dict(self.loaded)
        pipeline.encoders, pipeline.licenses = FittedEncoders(self.space, dict(self.fingerprints)), dict(self.licenses)
        return pipeline

    def extend(
        self, items: Mapping[str, Sequence[Any] | Store], *, folder: str | Path | None = None, quiet: bool = True
    ) -> Self:
        """Add modalities that were not there at training: only their statistics are gathered, the decoder stays as it
        is.

        `folder` keeps the embeddings, so that a killed run continues. A known modality is refused.
        """
        items = _by_position(items)
        with working_folder(folder) as place:
            run = PipelineFitter(self.encoders, self.bridge, self.decoder, place, TrainingOptions(), quiet=quiet)
            self.trained_on.append(run.extend_bridge(items))
        return self

    # ---- use

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprints of the encoders that the bridge was fitted with, by modality."""
        return self.encoders.fingerprints

    def encoder(self, modality: str) -> Encoder:
        """The space's encoder of a modality, refused if it is not the one that the bridge was fitted with."""
        return self.encoders.encoder(modality)

    def condition(self, embeddings: Tensor, modality: str) -> Tensor:
        """(n, dim) unit embeddings to the decoder's conditions, for use."""
        if not torch.isfinite(embeddings).all():
            raise C3Error(f"the {modality} embeddings hold NaN or infinite values. Check the encoder, or embed again.")
        return self.bridge.condition(embeddings, modality)

    def stream(
        self,
        sources: Iterable[Any] | Iterable[Encoded] | Store,
        *,
        modality: str | None = None,
        options: GenerationOptions | Mapping[str, Any] | None = None,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
    ) -> Iterator[tuple[int, Any]]:
        """(position, output or `BadItem`) of each source, in order, as batches get done: of `batch_size` outputs, or of
        the `best_of` outputs of one source where those are more.

        Sources may be embedded already: a `Store`, or the batches that `encoder(modality).encode_batches` gives, for
        several runs over the same.

        With `best_of` n, n outputs are made of each source, and the one is kept that the space sees nearest to the
        source: the largest cosine between the two conditions. The space must have an encoder of the decoder's modality,
        and the bridge know it.
        """
        chosen = self.check_run(options, seed=seed, batch_size=batch_size, best_of=best_of)
        generator, name = torch.Generator().manual_seed(seed), self._modality(sources, modality)
        self.decoder.output_encoder = seen = self._output_encoder()
        for part in rebatch(self._batches(sources, name, batch_size), max(1, batch_size // best_of)):
            if part.modality != name:
                raise WrongCall(f"these are {part.modality} embeddings, not {name}.")
            self.encoders.check(name, part.fingerprint)
            condition = self.condition(part.embeddings, name)
            if best_of > 1 and part.index:
                outputs = choose_best(self.decoder, seen, condition, chosen, generator=generator, count=best_of)
            else:
                outputs = self.decoder.generate(condition, chosen, generator=generator) if part.index else []
            yield from sorted([*zip(part.index, outputs, strict=True), *part.bad], key=lambda entry: entry[0])

    def check_run(
        self,
        options: GenerationOptions | Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
    ) -> GenerationOptions:
        """The decoder's options; a `C3Error` for what `stream` would refuse whatever its sources are, before any is
        read.
        """
        for name, count in (("best_of", best_of), ("batch_size", batch_size)):
            if not isinstance(count, int) or count < 1:
                raise WrongCall(f"{name} must be a whole number of at least 1, got {count!r}.")
        if not isinstance(seed, int) or not 0 <= seed < 2**32:  # torch's generator heeds no more bits
            raise WrongCall(f"seed must be a whole number from 0 to 2**32 - 1, got {seed!r}.")
        if best_of > 1:
            self._output_encoder().check()
        chosen: GenerationOptions = self.decoder.check_options(options)
        return chosen

    def _output_encoder(self) -> BridgedEncoder:
        return BridgedEncoder(self.encoders, self.bridge, self.decoder)

    def _modality(self, sources: Iterable[Any] | Store, modality: str | None) -> str:
        if isinstance(sources, Store):
            if modality not in (None, sources.modality):
                raise WrongCall(f"the store {sources.folder} holds {sources.modality} embeddings, not {modality}.")
            return sources.modality
        if modality is None:
            raise WrongCall(
                f"say which modality the sources have: modality=… (one of {', '.join(self.space.modalities)})."
            )
        return modality

    def _batches(
        self, sources: Iterable[Any] | Iterable[Encoded] | Store, modality: str, batch_size: int
    ) -> Iterator[Encoded]:
        if isinstance(sources, Store):
            self.encoders.check(modality, sources.fingerprint)
            start = 0
            for rows in sources.batches(batch_size):
                positions = list(range(start, start + len(rows.embeddings)))
                yield Encoded(positions, rows.embeddings, rows.norms, [], modality, sources.fingerprint)
                start += len(rows.embeddings)
            return
        first, every = _peek(sources)
        if isinstance(first, Encoded):
            yield from every
        else:
            yield from self.encoder(modality).encode_batches(every, batch_size=batch_size)

    def run(
        self,
        sources: Iterable[Any] | Store,
        *,
        modality: str | None = None,
        options: GenerationOptions | Mapping[str, Any] | None = None,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
    ) -> list[Any]:
        """One output a source, in order; a `BadItem` in the place of a source that could not be read. `stream` says the
        rest.
        """
        stream = self.stream(
            sources, modality=modality, options=options, seed=seed, batch_size=batch_size, best_of=best_of
        )
        return [output for _, output in stream]

    # ---- one folder

    def save(self, folder: str | Path) -> None:
        """Write `pipeline.json`, `bridge.safetensors`, `decoder/` and, for a space that lives in a folder, `space/`."""
        if self.bridge.needs and not self.bridge.modalities:
            raise WrongCall(
                "the bridge is not fitted, so that the pipeline could take nothing. Fit it first: pipeline.fit({…})."
            )
        save(
            Saved(self.space, self.bridge, self.decoder, self.fingerprints, self.trained_on, self.licenses),
            folder,
        )

    @classmethod
    def load(
        cls, folder: str | Path, *, device: str = "auto", precision: str = "float32", space: Space | None = None
    ) -> Self:
        """The pipeline that `save` wrote, after its files' checksums were checked. Encoders load when first used."""
        saved = read_saved(path_of(folder), device=device, precision=precision, space=space)
        pipeline = cls(saved.space, saved.bridge, saved.decoder)
        pipeline.trained_on, pipeline.loaded, pipeline.licenses = saved.trained_on, saved.files, saved.licenses
        pipeline.encoders.fingerprints.update(saved.fingerprints)
        return pipeline


def _by_position(items: Any) -> dict[str, Sequence[Any] | Store]:
    """Items by modality, each as a store or as a sequence: see `by_position`."""
    if not isinstance(items, Mapping):
        raise WrongCall(f"items are given by modality, {{modality: sources}}, not as {type(items).__name__}.")
    return {
        modality: given if isinstance(given, Store) else by_position(given, f"the {modality} items")
        for modality, given in items.items()
    }


def _peek(sources: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """The first of them, and all of them."""
    if isinstance(sources, Encoded):
        return sources, [sources]
    if isinstance(sources, Sequence):
        return (sources[0] if len(sources) else None), sources
    stream = iter(sources)
    seen = list(islice(stream, 1))
    return (seen[0] if seen else None), chain(seen, stream)

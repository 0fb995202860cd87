"""Fit a pipeline: embed each item once into a store, gather the bridge's statistics, train the decoder."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core.bridges import noise
from c3core.contracts import BadItem, Bridge, Decoder, Reader, Space
from c3core.contracts.reader import summarize_bad
from c3core.data.pairs import Pairs
from c3core.data.sources import Source
from c3core.data.tables import key_of
from c3core.embedding.embedder import embed
from c3core.errors import C3Error, WrongCall, warn
from c3core.io.layout import path_of
from c3core.pipeline.dataset import Batch, TargetDataset, checksum_of
from c3core.pipeline.encoders import BridgedEncoder, FittedEncoders
from c3core.runtime.devices import device_of, processes
from c3core.statistics.familiarity import Familiarity, ForeignCheck
from c3core.store.store import Store
from c3core.training.options import TrainingOptions
from c3core.training.seed import seed_of
from c3core.training.task import TrainingTask
from c3core.training.trainer import train

Items = Mapping[str, Sequence[Any] | Store]  # sources by modality
HeldOut = Sequence[Any] | Store | Pairs | None

SAMPLES = 4  # outputs that trackers show after each validation
FEW = 30  # items; the mean of fewer is off by a large part of the modality gap


def warn_of_few(stores: Mapping[str, Store], bridge: Bridge) -> None:
    """Warn if a modality has under 30 items: their mean is too noisy to subtract."""
    few = [f"{len(store)} {modality}" for modality, store in stores.items() if len(store) < FEW]
    if few and "mean" in bridge.needs:
        warn(
            f"the bridge takes the mean of only {' and '.join(few)} item(s). Give it some hundreds that are typical.",
        )


def warn_of_missing(space: Space, bridge: Bridge, target: str) -> None:
    """Warn which modalities of the space the fitted pipeline cannot take, other than the decoder's own."""
    if missing := [modality for modality in space.modalities if modality != target and not bridge.takes(modality)]:
        several = ", ".join(missing)
        warn(
            f"the pipeline will not take {several}: fit got no items of that. Give it some, or add them later:"
            f" pipeline.extend({{{missing[0]!r}: …}}).",
        )


def warn_of_bad(store: Store) -> None:
    """Warn of the items that could not be read."""
    if store.bad:
        first = summarize_bad(store.errors(), store.bad)
        warn(f"{store.bad} {store.modality} item(s) could not be read and are left out: {first}")


class PipelineFitter:
    """One call of `Pipeline.fit`. Fits the bridge, trains the decoder, and notes the encoders that it used.

    `bridge` is in the decoder's frame. `loaded` holds the sha256 of each file that the pipeline was loaded from.
    """

    def __init__(
        self,
        encoders: FittedEncoders,
        bridge: Bridge,
        decoder: Decoder,
        folder: Path,
        options: TrainingOptions,
        *,
        loaded: Mapping[str, str] | None = None,
        embeddings: str | Path | None = None,
        device: str = "auto",
        quiet: bool = False,
    ) -> None:
        self.encoders, self.bridge, self.decoder = encoders, bridge, decoder
        self.folder, self.options, self.quiet = folder, options, quiet
        self.loaded = dict(loaded or {})
        self.embeddings = path_of(embeddings or folder / "embeddings")
        self.device = None if device == "auto" else device_of(device)
        self.noise = True
        self.familiar: dict[str, Familiarity] = {}  # of the modalities that the bridge was fitted on
        self._stores: dict[str, Store] = {}

    def fit(
        self,
        items: Items,
        pairs: Pairs | None,
        validation: HeldOut,
        bridge: str,
        groups: Sequence[Hashable] | None = None,
    ) -> dict[str, Any]:
        """Fit the bridge, unless it is to "keep", and train the decoder. Return what they saw, for the manifest."""
        self.check(items, pairs, validation)
        target = self.decoder.modality
        if groups is not None and len(groups) != (count := len(items.get(target, ()))):
            raise WrongCall(f"groups names the items of {len(groups)} of {target}, but there are {count}.")
        if bridge == "fit":
            self.fit_bridge(items, pairs)
        elif bridge != "keep":
            raise WrongCall(f'bridge must be "fit" or "keep", not {bridge!r}.')
        elif unused := sorted(items.keys() - {self.decoder.modality}):
            raise WrongCall(f"a kept bridge does nothing with {', '.join(unused)}: leave them out, or `extend` it.")
        chosen = {}
        if self.decoder.trainable and (pairs is None or pairs.noise) and noise.uses_noise(self.bridge):
            measured = self._measured_noise(items, pairs, validation, groups)
            chosen = noise.choose_noise(self.bridge, measured, quiet=self.quiet)
        return {**self.train(items, pairs, validation), **chosen}

    def extend(self, items: Items) -> dict[str, Any]:
        """Add modalities to the bridge, and return what it was fitted on, for the manifest."""
        for modality, sources in items.items():
            if modality in self.bridge.modalities:
                raise WrongCall(f"the bridge knows {modality!r} already. Leave it out, or fit the pipeline again.")
            self._check_given(modality, sources)
        stores = {modality: self.store(modality, modality, sources) for modality, sources in items.items()}
        warn_of_few(stores, self.bridge)
        self._note_familiar(stores)
        self.bridge.extend(stores)
        return self._untrained(items)

    # ---- embeddings

    def store(self, name: str, modality: str, sources: Sequence[Any] | Store) -> Store:
        """Return a store of the sources, embedded once; or the store that was given. Check the sources before."""
        if isinstance(sources, Store):
            self._stores[name] = sources
        elif name not in self._stores:
            encoder = self.encoders.encoder(modality)
            stream = (Source(str(i), source) for i, source in enumerate(sources))
            folder = self.embeddings / name
            with processes().main_process_first():  # one of several processes embeds, the others open its store
                self._stores[name] = embed(encoder, stream, folder, total=len(sources), quiet=self.quiet)
            warn_of_bad(self._stores[name])
        store = self._stores[name]
        self.encoders.fingerprints[modality] = store.fingerprint
        return store

    def fit_bridge(self, items: Items, pairs: Pairs | None) -> None:
        """Fit the bridge on `items`, and on the pairs' sources if `items` lacks their modality."""
        bridge, target = self.bridge, self.decoder.modality
        stores = {modality: self.store(modality, modality, sources) for modality, sources in items.items()}
        if pairs is not None and pairs.modality not in stores:
            stores[pairs.modality] = self.store("pairs", pairs.modality, pairs.source)
        warn_of_few(stores, bridge)
        self._note_familiar(stores)
        bridge.fit(stores, target=target)
        warn_of_missing(self.encoders.space, bridge, target)

    def _note_familiar(self, stores: Mapping[str, Store]) -> None:
        """Keep what tells items that are unlike those of the fit. Warn if these are unlike what the space knows."""
        space = self.encoders.space
        for modality, store in stores.items():
            if modality in space.familiar:
                sample = store.moments({"sample"}, sample_size=1000).sample
                ForeignCheck(space.familiar[modality]).add(sample).warn(modality, f"what space {space.spec} knows")
            if known := Familiarity.of(store):
                self.familiar[modality] = known

    def _measured_noise(
        self, items: Items, pairs: Pairs | None, validation: HeldOut, groups: Sequence[Hashable] | None
    ) -> noise.MeasuredNoise | None:
        """The alignment noise: what the space says, else of some pairs, else of several targets of one item."""
        space, target = self.encoders.space, self.decoder.modality
        if known := noise.noise_of_space(space, target, self.bridge.modalities):
            return known
        for some in (pairs, validation):
            if isinstance(some, Pairs) and some.modality != target and target in space.modalities:
                keys = [key_of(item) for item in (some.source if some.item is None else some.item)]
                x, y = (self.encoders.encoder(modality) for modality in (some.modality, target))
                if measured := noise.noise_of_pairs(x, some.source, y, some.target, keys):
                    return measured
        sentences = items.get(target, ())
        if groups is None or isinstance(sentences, Store):
            return None
        return noise.noise_of_sentences(self.encoders.encoder(target), sentences, groups)

    # ---- the decoder

    def check(self, items: Items, pairs: Pairs | None, validation: HeldOut) -> None:
        """Refuse a call that would do nothing, or fail after the embedding."""
        decoder, options = self.decoder, self.options
        if not items and pairs is None:
            raise WrongCall("nothing to fit on: give items={modality: sources}, or pairs.")
        for modality in items:
            self.encoders.space.require(modality)
        if (decoder.trainable or decoder.memorizes) and pairs is None and decoder.modality not in items:
            raise WrongCall(f"the decoder learns from {decoder.modality}: give items of {decoder.modality}, or pairs.")
        if not decoder.trainable:
            if validation is not None:
                raise WrongCall(f"decoder {decoder.name!r} is not trained: there is nothing to validate.")
            defaults = dict(TrainingOptions(seed=options.seed))
            if unused := ", ".join(name for name, value in options if value != defaults[name]):
                raise WrongCall(f"decoder {decoder.name!r} is not trained: {unused} would do nothing. Leave it out.")
        if validation is not None and not decoder.validates:
            raise WrongCall(f"decoder {decoder.name!r} has no loss to validate by, as it is set. Leave validation out.")
        if pairs is not None and not (validation is None or isinstance(validation, Pairs)):
            raise WrongCall("a training on pairs is validated on pairs: give validation as pairs too, or leave it out.")
        given = [*items.items()] + [(one.modality, one.source) for one in (pairs, validation) if isinstance(one, Pairs)]
        if validation is not None and not isinstance(validation, Pairs):
            given.append((decoder.modality, validation))
        for modality, sources in given:
            self._check_given(modality, sources)

    def _check_given(self, modality: str, sources: Sequence[Any] | Store) -> None:
        """Refuse an empty list, an unknown modality, and a store of another encoder."""
        if isinstance(sources, Store) and sources.modality != modality:
            raise WrongCall(f"the store {sources.folder} holds {sources.modality} embeddings, not {modality}.")
        encoder = self.encoders.encoder(modality)
        if not isinstance(sources, Store):
            if not len(sources):
                raise WrongCall(f"no {modality} items to fit on: the list is empty.")
        elif sources.fingerprint != encoder.fingerprint:
            raise WrongCall(f"the store {sources.folder} is of another {modality} encoder. Embed its items again.")

    def train(self, items: Items, pairs: Pairs | None, validation: HeldOut) -> dict[str, Any]:
        """Train the decoder, and return what it was trained on, for the manifest."""
        decoder, options = self.decoder, self.options
        if not (decoder.trainable or decoder.memorizes):  # only the bridge was fitted
            return self._untrained(items)
        if not (decoder.trainable and decoder.validates):
            options = options.model_copy(update={"validation_split": 0.0})
        share = options.validation_split if validation is None else 0.0
        if pairs is None:
            rows = self._dataset(decoder.modality, items[decoder.modality], share)
        else:
            rows = self._dataset("pairs", pairs, share)
        if decoder.memorizes:
            return self._memorized(rows, items, supervised=pairs is not None)
        held_out = rows if validation is None else self._dataset("validation", validation, 1.0)
        torch.manual_seed(options.seed)  # of the initial weights that `prepare` may draw
        self.noise = pairs is None or pairs.noise
        reader = decoder.reader()
        decoder.prepare(rows.read(reader))
        stores = [store for name, store in self._stores.items() if name == store.modality]
        decoder.output_encoder = BridgedEncoder(self.encoders, self.bridge, decoder, stores)
        count = rows.count()
        if not count:
            raise C3Error("no item is left to train on. Give more items, or a smaller validation_split.")
        size = min(options.batch_size, count)
        validation_batches = held_out.validation(reader)
        job = TrainingTask(
            module=decoder,
            objectives=decoder.objectives(),
            rows=lambda epoch: rows.training(size, seed=options.seed, epoch=epoch),
            batch=lambda batch, generator: self._batch(rows.modality, batch, reader, generator),
            batches_per_epoch=max(1, count // size),
            batch_size=size,
            validate=self._validator(held_out.modality, validation_batches, reader),
            after_step=decoder.after_step,
            samples=self._sampler(held_out.modality, validation_batches),
            label=f"training {decoder.name} with bridge {self.bridge.name}, seed {options.seed}",
            device=self.device,
        )
        trained_on = {"modality": rows.modality, "rows": count, "supervised": pairs is not None, "noise": self.noise}
        recipe = {
            "space": self.encoders.space.spec,
            "encoders": self.encoders.fingerprints,
            "bridge": self.bridge.config(),
            "decoder": {"name": decoder.name, **decoder.settings.model_dump(mode="json")},
            "trained_on": trained_on,
            "start": self.loaded,
            "data": {name: store.checksum for name, store in self._stores.items()},
            "targets": [checksum_of(one) for one in (pairs, validation) if isinstance(one, Pairs)],
        }
        result = train(job, options, self.folder, recipe=recipe, quiet=self.quiet)
        figures = {"steps": result.steps, "best_step": result.best_step, "validation_loss": result.best}
        return {**trained_on, **figures, "statistics_of": self._counts(items), "seed": options.seed}

    def _memorized(self, rows: TargetDataset, items: Items, *, supervised: bool) -> dict[str, Any]:
        """Give the decoder all rows to keep."""
        torch.manual_seed(self.options.seed)
        condition = self.bridge.condition
        batches = rows.in_order(self.decoder.reader())
        self.decoder.memorize((condition(embeddings, rows.modality), targets) for embeddings, targets in batches)
        kept = {"modality": rows.modality, "rows": rows.count(), "supervised": supervised}
        return self._untrained(items) | kept

    def _untrained(self, items: Items) -> dict[str, Any]:
        about = {"statistics_of": self._counts(items), "seed": self.options.seed}
        return {"modality": None, "rows": 0, "supervised": False, **about}

    def _counts(self, items: Items) -> dict[str, int]:
        return {modality: len(self._stores[modality]) for modality in items if modality in self._stores}

    def _dataset(self, name: str, data: Sequence[Any] | Store | Pairs, share: float) -> TargetDataset:
        modality, sources = (data.modality, data.source) if isinstance(data, Pairs) else (self.decoder.modality, data)
        return TargetDataset(self.store(name, modality, sources), data, share)

    def _batch(
        self, modality: str, batch: tuple[Tensor, list[Any]], reader: Reader, generator: torch.Generator
    ) -> tuple[Tensor, Any]:
        """Return conditions and collated targets. A target that cannot be read is left out of its batch."""
        embeddings, sources = batch
        read = [reader(source) for source in sources]
        good = [k for k, item in enumerate(read) if not isinstance(item, BadItem)]
        if not good:
            raise C3Error(f"none of a batch's {len(read)} targets could be read: {read[0]}")
        if self.noise:
            conditions = self.bridge.train_condition(embeddings[good], modality, generator=generator)
        else:
            conditions = self.bridge.condition(embeddings[good], modality)
        return self.decoder.check_conditions(conditions), self.decoder.collate([read[k] for k in good])

    def _validator(self, modality: str, batches: Sequence[Batch], reader: Reader) -> Callable[[], float] | None:
        """Return a function that computes the mean loss of the held-out rows, with the same noise each time.

        None if no row is held out.
        """
        if not batches:
            return None

        def validate() -> float:
            total = 0.0
            for number, batch in enumerate(batches):
                generator = torch.Generator().manual_seed(seed_of(self.options.seed, number))
                loss = self.decoder.loss(*self._batch(modality, batch, reader, generator))
                total += float(loss) * len(batch[1])
            return total / sum(len(targets) for _, targets in batches)

        return validate

    def _sampler(self, modality: str, batches: Sequence[Batch]) -> Callable[[], list[Any]] | None:
        """Return a function that generates from the first held-out rows, with the same draws each time.

        None if no row is held out.
        """
        if not batches:
            return None
        embeddings = batches[0][0][:SAMPLES]

        def samples() -> list[Any]:
            generator = torch.Generator().manual_seed(self.options.seed)
            return self.decoder.generate(self.bridge.condition(embeddings, modality), generator=generator)

        return samples

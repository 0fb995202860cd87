"""How a pipeline is fitted: embed once into stores, gather the bridge's statistics, train the decoder from the
store.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core.contracts import BadItem, Bridge, Decoder
from c3core.contracts.reader import summarize_bad
from c3core.data.fingerprint import checksum
from c3core.data.pairs import Pairs
from c3core.data.sources import Source
from c3core.embedding.embedder import embed
from c3core.errors import C3Error, WrongCall
from c3core.io.layout import path_of
from c3core.pipeline.dataset import TargetDataset
from c3core.pipeline.encoders import BridgedEncoder, FittedEncoders
from c3core.runtime.devices import device_of, processes
from c3core.store.store import Store
from c3core.training.options import TrainingOptions
from c3core.training.seed import seed_of
from c3core.training.task import TrainingTask
from c3core.training.trainer import train

VALIDATION_BATCH = 128
FEW = 30  # of fewer items the mean is as far off as a large part of the gap


def checksum_of(given: Sequence[Any] | Store | Pairs) -> Any:
    """A checksum of what is fitted on."""
    if isinstance(given, Store):
        return given.checksum
    if isinstance(given, Pairs):
        given = [*given.source, *given.target, *(() if given.item is None else given.item)]
    return checksum(given)


def _say_few(stores: Mapping[str, Store], bridge: Bridge) -> None:
    """A bridge that subtracts means says little of a mean of few: less it, the only item of a modality would be
    nothing.
    """
    few = [f"{len(store)} of {modality}" for modality, store in stores.items() if len(store) < FEW]
    if few and "mean" in bridge.needs:
        warnings.warn(
            f"the bridge takes the mean of {', '.join(few)} item(s). Give it some hundreds that are typical.",
            stacklevel=2,
        )


def _say_bad(store: Store) -> None:
    if store.bad:
        first = summarize_bad(store.errors(), store.bad)
        warnings.warn(f"{store.bad} {store.modality} item(s) could not be read and are left out: {first}", stacklevel=2)


class PipelineFitter:
    """One call of `Pipeline.fit`: fits `bridge` and trains `decoder` in place, and adds to `encoders` those it used."""

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
        self.loaded = dict(loaded or {})  # the sha256 of each file that the pipeline was loaded from
        self.embeddings = path_of(embeddings or folder / "embeddings")
        self.device = None if device == "auto" else device_of(device)
        self._stores: dict[str, Store] = {}

    # ---- embeddings

    def store(self, name: str, modality: str, sources: Sequence[Any] | Store) -> Store:
        """The store of some sources that `_check_given` has passed, embedded once; or the store that was given."""
        if isinstance(sources, Store):
            self.encoders.add(modality, sources.fingerprint)
            self._stores[name] = sources
        elif name not in self._stores:
            encoder = self.encoders.encoder(modality)
            stream = (Source(str(i), source) for i, source in enumerate(sources))
            with processes().main_process_first():  # of several processes one embeds, the others open what it wrote
                self._stores[name] = embed(
                    encoder, stream, self.embeddings / name, total=len(sources), quiet=self.quiet
                )
            self.encoders.add(modality, encoder.fingerprint)
            _say_bad(self._stores[name])
        return self._stores[name]

    def fit_bridge(self, items: Mapping[str, Sequence[Any] | Store], pairs: Pairs | None) -> None:
        """Statistics of each modality: of `items`, and of the pairs' sources for a modality that `items` lacks."""
        bridge, target = self.bridge, self.decoder.modality
        stores = {modality: self.store(modality, modality, sources) for modality, sources in items.items()}
        if pairs is not None and pairs.modality not in stores:
            stores[pairs.modality] = self.store("pairs", pairs.modality, pairs.source)
        _say_few(stores, bridge)
        bridge.fit(stores, target=target)

    def extend_bridge(self, items: Mapping[str, Sequence[Any] | Store]) -> dict[str, Any]:
        """Statistics of more modalities; returns what was looked at, for the manifest."""
        for modality, sources in items.items():  # said before anything is embedded
            if modality in self.bridge.modalities:
                raise WrongCall(
                    f"the bridge knows {modality!r} already. Leave it out, or fit the pipeline again to replace it."
                )
            self._check_given(modality, sources)
        stores = {modality: self.store(modality, modality, sources) for modality, sources in items.items()}
        _say_few(stores, self.bridge)
        self.bridge.extend(stores)
        return self._untrained(items)

    # ---- the decoder

    def check(
        self,
        items: Mapping[str, Sequence[Any] | Store],
        pairs: Pairs | None,
        validation: Sequence[Any] | Store | Pairs | None,
    ) -> None:
        """Refuse what would do nothing, something else than it says, or fail later, before anything is embedded."""
        decoder, options = self.decoder, self.options
        if not items and pairs is None:
            raise WrongCall("nothing to fit on: give items={modality: sources}, or pairs.")
        if decoder.trainable and pairs is None and decoder.modality not in items:
            raise WrongCall(f"the decoder learns from {decoder.modality}: give items of {decoder.modality}, or pairs.")
        if not decoder.trainable:
            if validation is not None:
                raise WrongCall(
                    f"decoder {decoder.name!r} is not trained, so there is nothing to validate. Leave validation out."
                )
            defaults = TrainingOptions(seed=options.seed).model_dump()
            if unused := [name for name, value in options.model_dump().items() if value != defaults[name]]:
                what = ", ".join(unused)
                raise WrongCall(
                    f"decoder {decoder.name!r} is not trained, so that {what} would do nothing: leave that out."
                )
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
        """Refuse what cannot be embedded, and a store that is not this space's of this modality."""
        if isinstance(sources, Store) and sources.modality != modality:
            raise WrongCall(f"the store {sources.folder} holds {sources.modality} embeddings, not {modality}.")
        encoder = self.encoders.encoder(modality)
        if not isinstance(sources, Store):
            if not len(sources):
                raise WrongCall(f"no {modality} items to fit on: the list is empty.")
        elif sources.fingerprint != encoder.fingerprint:
            raise WrongCall(
                f"the store {sources.folder} was made by another {modality} encoder than that of"
                f" {self.encoders.space.spec!r}. Embed its items again with this space."
            )

    def train(
        self,
        items: Mapping[str, Sequence[Any] | Store],
        pairs: Pairs | None,
        validation: Sequence[Any] | Store | Pairs | None,
    ) -> dict[str, Any]:
        """Train the decoder; returns what it was trained on, for the manifest."""
        decoder, options = self.decoder, self.options
        if not decoder.trainable:  # only the bridge was fitted
            return self._untrained(items)
        if not decoder.validates:
            options = options.model_copy(update={"validation_split": 0.0})
        rows = self._rows(items, pairs, options.validation_split if validation is None else 0.0)
        held_out = rows if validation is None else self._validation_rows(validation)
        torch.manual_seed(options.seed)  # the decoder's initial weights, where it makes them in `prepare`
        reader = decoder.reader()
        decoder.prepare(self._read(rows, reader))
        decoder.output_encoder = BridgedEncoder(self.encoders, self.bridge, decoder)
        count = rows.count()
        if not count:
            raise C3Error("no item is left to train on. Give more items, or a smaller validation_split.")
        size = min(options.batch_size, count)
        job = TrainingTask(
            module=decoder,
            objectives=decoder.objectives(),
            rows=lambda epoch: rows.training(size, seed=options.seed, epoch=epoch),
            batch=lambda batch, generator: self._batch(rows.modality, batch, reader, generator),
            batches_per_epoch=max(1, count // size),
            batch_size=size,
            validate=self._validator(held_out, reader),
            after_step=decoder.after_step,
            label=f"training {decoder.name} with bridge {self.bridge.name}",
            device=self.device,
        )
        recipe = {
            "space": self.encoders.space.spec,
            "bridge": self.bridge.config(),
            "decoder": {"name": decoder.name, **decoder.settings.model_dump(mode="json")},
            "trained_on": {"modality": rows.modality, "rows": count, "supervised": pairs is not None},
            "start": self.loaded,
            "data": {name: store.checksum for name, store in self._stores.items()},
            "targets": [checksum_of(one) for one in (pairs, validation) if isinstance(one, Pairs)],
        }
        result = train(job, options, self.folder, recipe=recipe, quiet=self.quiet)
        figures = {"steps": result.steps, "best_step": result.best_step, "validation_loss": result.best}
        return {**recipe["trained_on"], **figures, "statistics_of": self._counts(items), "seed": options.seed}  # type: ignore[dict-item]

    def _untrained(self, items: Mapping[str, Sequence[Any] | Store]) -> dict[str, Any]:
        return {
            "modality": None,
            "rows": 0,
            "supervised": False,
            "statistics_of": self._counts(items),
            "seed": self.options.seed,
        }

    def _counts(self, items: Mapping[str, Sequence[Any] | Store]) -> dict[str, int]:
        return {modality: len(self._stores[modality]) for modality in items if modality in self._stores}

    def _rows(self, items: Mapping[str, Sequence[Any] | Store], pairs: Pairs | None, share: float) -> TargetDataset:
        target = self.decoder.modality
        if pairs is not None:
            store = self.store("pairs", pairs.modality, pairs.source)
            return TargetDataset(
                store, pairs.modality, pairs.target, share, items=pairs.source if pairs.item is None else pairs.item
            )
        sources = items[target]
        return TargetDataset(
            self.store(target, target, sources), target, None if isinstance(sources, Store) else sources, share
        )

    def _validation_rows(self, validation: Sequence[Any] | Store | Pairs) -> TargetDataset:
        if isinstance(validation, Pairs):
            store = self.store("validation", validation.modality, validation.source)
            return TargetDataset(store, validation.modality, validation.target, 1.0)
        target = self.decoder.modality
        targets = None if isinstance(validation, Store) else validation
        return TargetDataset(self.store("validation", target, validation), target, targets, 1.0)

    @staticmethod
    def _read(rows: TargetDataset, reader: Any) -> Iterator[Any]:
        """The read targets of every row, for `Decoder.prepare`."""
        for batch in rows.store.batches(4096, columns=("id", "source")):
            for identity, source in zip(batch.ids, batch.sources, strict=True):
                item = reader(rows.target(identity, source))
                if not isinstance(item, BadItem):
                    yield item

    def _batch(
        self, modality: str, batch: tuple[Tensor, list[Any]], reader: Any, generator: torch.Generator
    ) -> tuple[Tensor, Any]:
        """Conditions and collated targets; a target that cannot be read is left out of its batch."""
        embeddings, sources = batch
        read = [reader(source) for source in sources]
        good = [k for k, item in enumerate(read) if not isinstance(item, BadItem)]
        if not good:
            raise C3Error(f"none of a batch's {len(read)} targets could be read: {read[0]}")
        conditions = self.bridge.train_condition(embeddings[good], modality, generator=generator)
        decoder = self.decoder
        return decoder.check_conditions(conditions), decoder.collate([read[k] for k in good])

    def _validator(self, rows: TargetDataset, reader: Any) -> Any:
        """The mean loss over the held-out rows, with the same noise each time; None when no row is held out.

        Targets that cannot be read are left out once and for all, or one of them could end the training.
        """
        pieces: list[tuple[Tensor, list[Any]]] = []
        unread: list[BadItem] = []
        for embeddings, targets in rows.validation():
            read = [reader(target) for target in targets]
            unread += [item for item in read if isinstance(item, BadItem)]
            good = [k for k, item in enumerate(read) if not isinstance(item, BadItem)]
            cut = [good[i : i + VALIDATION_BATCH] for i in range(0, len(good), VALIDATION_BATCH)]
            pieces += [(embeddings[some], [targets[k] for k in some]) for some in cut]
        if unread and not pieces:
            raise C3Error(f"none of the {len(unread)} held-out targets could be read: {unread[0]}")
        if not pieces:
            return None

        def validate() -> float:
            total = 0.0
            for number, piece in enumerate(pieces):
                generator = torch.Generator().manual_seed(seed_of(self.options.seed, number))
                loss = self.decoder.loss(*self._batch(rows.modality, piece, reader, generator))
                total += float(loss) * len(piece[1])
            return total / sum(len(targets) for _, targets in pieces)

        return validate

"""Try an input with several pipelines: outputs, their cosines, the nearest sentences, and places in the space."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.nn.functional import cosine_similarity

from c3_app.known import KnownItems, of_given, of_samples, of_store, training_store
from c3_app.view import View, views
from c3core import C3Error, Encoder, Pipeline, Store, load_items, load_pipeline
from c3core.contracts import Encoded
from c3core.data import Items, guess_modality
from c3core.errors import WrongCall, near
from c3core.io import path_of

NEAREST = 5
SHORT = 60  # characters
TEXT, PICTURES = "text", "image"  # the modalities of outputs that a page can show


@dataclass(frozen=True)
class Answer:
    """What one pipeline makes of an input.

    `cosines` are those of the outputs' conditions with the input's, None for an output without one. `nearest` are
    sentences with their cosines, of those that `nearest_of` names. `views` are the space before and after the bridge.
    """

    outputs: list[Any]
    cosines: list[float | None]
    nearest: list[tuple[str, float]] = field(default_factory=list)
    nearest_of: str = ""
    views: tuple[View, View] | None = None
    remarks: list[str] = field(default_factory=list)


class Model:
    """One pipeline of a trial, and the modalities of its inputs: not words, if it makes words itself."""

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        self.name, self.pipeline, self.target = name, pipeline, pipeline.decoder.modality
        self.draws = pipeline.decoder.suffix is not None
        if self.draws and self.target != PICTURES:
            raise WrongCall(f"pipeline {name} makes {self.target}, which the page cannot show. Use c3 run.")
        taken = pipeline.modalities
        self.inputs = tuple(one for one in taken if not one == self.target == TEXT) or taken
        found = {one: training_store(path_of(name), one, pipeline.fingerprints.get(one)) for one in taken}
        self.stores = {modality: store for modality, store in found.items() if store is not None}


class Trial:
    """Pipelines to try side by side. An encoder that several have is loaded once.

    `given` maps a modality to items, as `c3core.load_items` takes them, that show where it lies in the space. Raises
    what `load_pipeline` and `load_items` raise, and `WrongCall` for items of a modality that no pipeline has.
    """

    def __init__(
        self, names: Sequence[str], given: Mapping[str, Sequence[str]] | None = None, *, device: str = "auto"
    ) -> None:
        self._encoders: dict[str, Encoder] = {}  # by the fingerprint that a pipeline was fitted with
        self._known: dict[Any, KnownItems] = {}
        self._given: dict[str, Items | Store] = {}
        self.models = [Model(name, load_pipeline(name, device=device)) for name in names]
        self.inputs = tuple(dict.fromkeys(modality for model in self.models for modality in model.inputs))
        self.written: set[str] = set()  # the modalities of inputs whose sources are words
        for model in self.models:
            for modality in model.inputs:  # loaded now, so that what is missing is known before the page opens
                if self.encoder(model, modality).reader().takes_text:
                    self.written.add(modality)
        shown = {*self.inputs, *(model.target for model in self.models)}
        for modality, items in (given or {}).items():
            if modality not in shown:
                raise WrongCall(f"--items: no pipeline takes or makes {modality!r}: {near(modality, shown)}")
            self._give(modality, items)

    def encoder(self, model: Model, modality: str) -> Encoder:
        """The encoder of a modality for a pipeline."""
        fingerprint = model.pipeline.fingerprints.get(modality)
        if fingerprint is None:  # a bridge that is not fitted on the modality, but takes it
            return model.pipeline.encoder(modality)
        if fingerprint not in self._encoders:
            self._encoders[fingerprint] = model.pipeline.encoder(modality)
        return self._encoders[fingerprint]

    def samples(self, modality: str, count: int) -> list[Any]:
        """Some samples of a modality, of the first space that has some: short ones, if they are written."""
        for model in self.models:
            if modality in model.inputs and modality in model.pipeline.space.samples:
                found = list(model.pipeline.space.samples[modality]())
                if modality in self.written:
                    found.sort(key=lambda words: len(words) > SHORT)
                return found[:count]
        return []

    def modality_of(self, path: str) -> str:
        """The modality of a file. Raises `C3Error` if its name does not tell it."""
        of_files = [modality for modality in self.inputs if modality not in self.written]
        found = guess_modality(path, of_files) or (of_files[0] if len(of_files) == 1 else None)
        if found is None:
            raise C3Error(
                f"{path}: the name does not tell which it is, {' or '.join(of_files)}. Rename it, as in photo.jpg."
            )
        return found

    def answers(self, source: Any, modality: str, seeds: Sequence[int] = (0,)) -> list[Answer | str]:
        """The answer of each pipeline to one source, or why there is none. Raises `C3Error` for a bad source."""
        encoded: dict[str, Encoded] = {}
        found: list[Answer | str] = []
        for model in self.models:
            if modality not in model.inputs:
                found.append(f"This pipeline takes no {modality}.")
                continue
            encoder = self.encoder(model, modality)
            if encoder.fingerprint not in encoded:
                encoded[encoder.fingerprint] = _encoded(encoder, source)
            found.append(self._answer(model, encoded[encoder.fingerprint], seeds if model.draws else seeds[:1]))
        return found

    def _answer(self, model: Model, encoded: Encoded, seeds: Sequence[int]) -> Answer:
        pipeline, modality, remarks = model.pipeline, encoded.modality, dict[str, None]()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outputs = [pipeline.run([encoded], modality=modality, seed=seed)[0] for seed in seeds]
            condition = pipeline.condition(encoded.embeddings, modality).float().cpu()
            cosines = self._cosines(model, outputs, condition)
            nearest, nearest_of = self._nearest(model, condition)
            drawn = self._views(model, encoded)
        remarks |= dict.fromkeys(str(warning.message) for warning in caught)
        if drawn is None:
            missing = [one for one in dict.fromkeys((modality, model.target)) if self.known(model, one) is None]
            remarks[f"To see where it lies in the space, start with --items {missing[0]}=…"] = None
        return Answer(outputs, cosines, nearest, nearest_of, drawn, list(remarks))

    def _cosines(self, model: Model, outputs: list[Any], condition: Tensor) -> list[float | None]:
        """The cosine of each output's condition with the input's, as `best_of` computes it."""
        found: list[float | None] = [None] * len(outputs)
        pipeline = model.pipeline
        if model.target in pipeline.space.modalities and pipeline.bridge.takes(model.target):
            for batch in self.encoder(model, model.target).encode_batches(outputs):
                if batch.index:
                    made = pipeline.condition(batch.embeddings, model.target).float().cpu()
                    for at, cosine in zip(batch.index, cosine_similarity(made, condition).tolist(), strict=True):
                        found[at] = cosine
        return found

    def _nearest(self, model: Model, condition: Tensor) -> tuple[list[tuple[str, float]], str]:
        """The sentences nearest to the input: of those that the decoder keeps, else of those that are known."""
        if model.pipeline.decoder.memorizes:
            return model.pipeline.decoder.nearest(condition, NEAREST)[0], "sentences that the decoder keeps"
        known = self.known(model, model.target) if model.target == TEXT else None
        if known is None or not model.pipeline.bridge.takes(model.target):
            return [], ""
        conditions = model.pipeline.condition(known.embeddings, model.target).float().cpu()
        best = cosine_similarity(conditions, condition).topk(min(NEAREST, len(known)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [(str(known.sources[at]), cosine) for at, cosine in pairs], f"{len(known):,} sentences, {known.origin}"

    def _views(self, model: Model, encoded: Encoded) -> tuple[View, View] | None:
        pipeline, clouds = model.pipeline, dict[str, KnownItems]()
        for modality in dict.fromkeys((encoded.modality, model.target)):
            known = self.known(model, modality)
            if known is None or not pipeline.bridge.takes(modality):
                return None
            clouds[modality] = known
        return views(clouds, encoded.embeddings, encoded.modality, pipeline.bridge.name, pipeline.condition)

    def known(self, model: Model, modality: str) -> KnownItems | None:
        """Known items of a modality: given ones, else those of the training, else the samples of the space."""
        space = model.pipeline.space
        if modality in self._given:
            encoder = self.encoder(model, modality)
            return self._cached(("given", encoder.fingerprint), lambda: of_given(self._given[modality], encoder))
        if store := model.stores.get(modality):
            return self._cached(store.folder, lambda: of_store(store, "of the training"))
        if modality in space.samples:
            encoder = self.encoder(model, modality)
            return self._cached(("samples", encoder.fingerprint), lambda: of_samples(space, encoder))
        return None

    def _cached(self, key: Any, make: Callable[[], KnownItems]) -> KnownItems:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def _give(self, modality: str, items: Sequence[str]) -> None:
        """Load and embed given items now, so that a wrong one is known before the page opens."""
        models = [model for model in self.models if modality in model.pipeline.space.modalities]
        self._given[modality] = load_items(items, modality, reader=self.encoder(models[0], modality).reader())
        for model in models:
            self.known(model, modality)


def _encoded(encoder: Encoder, source: Any) -> Encoded:
    (batch,) = encoder.encode_batches([source])
    if batch.bad:
        raise C3Error(str(batch.bad[0][1]))
    return batch

"""A pipeline: a space, a bridge and a decoder; fitted, run, saved and loaded as one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, Self
from weakref import ref

import torch
from torch import Tensor

from c3core.contracts import BadItem, Bridge, Decoder, Encoded, Encoder, GenerationOptions, Space
from c3core.data.input import or_words
from c3core.data.items import streamed
from c3core.data.modality import is_one
from c3core.data.pairs import Pairs
from c3core.errors import C3Error, WrongCall
from c3core.io.files import working_folder
from c3core.io.validation import by_position, refuse_table, require_part
from c3core.pipeline.encoders import FittedEncoders
from c3core.pipeline.fitting import PipelineFitter
from c3core.pipeline.loading import pipeline_folder, push_to_hub
from c3core.pipeline.runner import Runner
from c3core.pipeline.serialization import Saved, read_saved, save
from c3core.runtime.devices import device_of
from c3core.statistics.familiarity import Familiarity
from c3core.store.store import Store
from c3core.training.options import TrainingOptions, accepts_training


class Pipeline:
    """A space, a bridge and a decoder.

    >>> import c3core
    >>> space = c3core.load_space("playground")
    >>> decoder = c3core.load_decoder("gpt2", space=space, model="fresh")
    >>> pipeline = c3core.Pipeline(space, c3core.load_bridge("c3"), decoder)
    """

    def __init__(self, space: Space, bridge: Bridge, decoder: Decoder) -> None:
        for what, part, kind in (("space", space, Space), ("bridge", bridge, Bridge), ("decoder", decoder, Decoder)):
            require_part(what, part, kind)
        if decoder.condition_dim != (size := bridge.condition_dim(space.dim)):
            raise WrongCall(
                f"decoder {decoder.name!r} takes conditions of size {decoder.condition_dim}, but bridge {bridge.name!r}"
                f" makes {size} of the {space.dim} dimensions of space {space.spec!r}. Load the decoder with"
                f" condition_dim={size}."
            )
        self.space, self.bridge, self.decoder = space, bridge, decoder
        self._framed_bridge()  # refuses a bridge without the frame that the decoder needs
        self.trained_on: list[dict[str, Any]] = []
        self.encoders = FittedEncoders(space)
        self.licenses: dict[str, str] = {}  # of these encoders, as the pipeline's folder said
        self.familiar: dict[str, Familiarity] = {}  # of each modality, to tell inputs that are unlike its items
        self.loaded: dict[str, str] = {}  # the sha256 of each file that it was loaded from
        self._origin: ref[Pipeline] | None = None  # the pipeline of the same decoder that `with_bridge` was called on

    def __repr__(self) -> str:
        noise = getattr(getattr(self.bridge, "corrupt", None), "std", None)
        level = noise if isinstance(noise, str | None) else f"{noise:.4g}"
        bridge = self.bridge.name if level is None else f"{self.bridge.name}(noise_std={level})"
        takes = f"takes {', '.join(self.modalities)}" if self.modalities else "not fitted"
        return f"Pipeline({self.space.spec} → {bridge} → {self.decoder.name}, {takes})"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of sources that the pipeline takes."""
        return tuple(modality for modality in self.space.modalities if self.bridge.takes(modality))

    @property
    def device(self) -> torch.device:
        """The device of the decoder. `to` moves it, and the encoders of the space."""
        return self.decoder.device

    def to(self, device: str | torch.device) -> Self:
        """Move the decoder and the encoders of the space to a device, in place."""
        where = device_of(device)
        self.decoder.to(where)
        self.space.to(where)
        return self

    def _require_fitted(self) -> None:
        if self.bridge.needs and not self.bridge.modalities:
            if self.trained_on:
                target = f"target={self.decoder.modality!r}"
                how = f"bridge.fit({{modality: space.encode(items, modality), …}}, {target}), which keeps the decoder"
                raise WrongCall(f"bridge {self.bridge.name!r} is not fitted. Call {how}.")
            raise WrongCall("the pipeline is not fitted. Call pipeline.fit({modality: items, …}) first.")

    def _framed_bridge(self) -> Bridge:
        """The bridge in the decoder's frame. It shares its statistics with `bridge`: to fit one is to fit both."""
        return self.bridge.native() if self.decoder.frame == "native" else self.bridge

    # ---- training

    @accepts_training
    def fit(
        self,
        items: Mapping[str, Sequence[Any] | Store] | None = None,
        *,
        pairs: Pairs | None = None,
        validation: Sequence[Any] | Store | Pairs | None = None,
        bridge: Literal["fit", "keep"] = "fit",
        groups: Sequence[Hashable] | None = None,
        training: TrainingOptions | Mapping[str, Any] | None = None,
        folder: str | Path | None = None,
        embeddings: str | Path | None = None,
        device: str = "auto",
        quiet: bool = False,
    ) -> Self:
        """Fit the bridge on uni-modal `items`, then train the decoder on those of its own modality.

        `items` maps a modality to its sources (a list, an array, a pandas Series and the like, taken by position), or
        to a `Store` of this space's embeddings. Of the other modalities only statistics are used. `pairs` are trained
        on instead, supervised. `validation` holds targets (a list, a store or pairs) for early stopping; by default a
        share of the data is held out. `bridge="keep"` does not fit the bridge again, for fine-tuning. `folder` keeps
        embeddings, checkpoints and metrics, so that a killed run resumes; by default they are temporary. `embeddings`
        is a folder for the embeddings, which several trainings on the same items can share. `device` is where the
        decoder is trained and stays; each of several processes has its own.

        A bridge whose `noise_std` is "auto" gets the alignment noise of the space: what the space says of it; else that
        of 100 pairs (of `pairs` or `validation`); else an estimate from targets of one item, such as the captions of
        one photo, if `groups` names the item of each target; else 0.1265, with a warning.

        Warns of modalities of the space that the pipeline will not take. Raises `WrongCall` for a wrong call before
        anything is embedded.
        """
        items = _by_position({} if items is None else items)
        if validation is not None and not isinstance(validation, Pairs):
            validation = _held(validation, f"the {self.decoder.modality} items")
        groups = None if groups is None else by_position(groups, "groups")
        options = TrainingOptions.of(training)
        if self._origin is not None and self._origin() is not None:  # which keeps the decoder as it is
            self.decoder.output_encoder = None
            self.decoder, self._origin = deepcopy(self.decoder), None
        with working_folder(folder) as place:
            fitter = self._fitter(place, options, loaded=self.loaded, embeddings=embeddings, device=device, quiet=quiet)
            self.trained_on.append(fitter.fit(items, pairs, validation, bridge, groups))
            self.familiar = {**(self.familiar if bridge == "keep" else {}), **fitter.familiar}
        return self

    def extend(
        self, items: Mapping[str, Sequence[Any] | Store], *, folder: str | Path | None = None, quiet: bool = True
    ) -> Self:
        """Add modalities to a fitted pipeline. Only their statistics are gathered; the decoder does not change.

        `folder` keeps the embeddings, so that a killed run resumes. Raises `WrongCall` for a modality that the pipeline
        knows.
        """
        items = _by_position(items)
        with working_folder(folder) as place:
            fitter = self._fitter(place, TrainingOptions(), quiet=quiet)
            self.trained_on.append(fitter.extend(items))
            self.familiar.update(fitter.familiar)
        return self

    def _fitter(self, folder: Path, options: TrainingOptions, **more: Any) -> PipelineFitter:
        return PipelineFitter(self.encoders, self._framed_bridge(), self.decoder, folder, options, **more)

    def with_bridge(self, bridge: Bridge) -> Self:
        """Return a pipeline of the same space and decoder with another bridge, which may be fitted already.

        `fit` of the new one trains a copy of the decoder. To keep the decoder, fit only the bridge, on embeddings:

        >>> import c3core
        >>> painter = c3core.load_pipeline("playground/painter-stylegan")
        >>> bridge = c3core.load_bridge("c3", noise_std=0.05, rescale="none")
        >>> items = c3core.load_table("playground:image/train/30/1").columns
        >>> means = {name: painter.space.encode(items[name], name) for name in ("text", "image")}
        >>> painter.with_bridge(bridge.fit(means, target="image"))
        Pipeline(playground → c3(noise_std=0.05) → stylegan, takes text, image)
        """
        pipeline = type(self)(self.space, bridge, self.decoder)
        pipeline._origin = ref(self)
        pipeline.trained_on, pipeline.loaded = [*self.trained_on], dict(self.loaded)
        pipeline.encoders, pipeline.licenses = FittedEncoders(self.space, dict(self.fingerprints)), dict(self.licenses)
        return pipeline

    # ---- use

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprints of the encoders that the bridge was fitted with, by modality."""
        return self.encoders.fingerprints

    def encoder(self, modality: str) -> Encoder:
        """Return the space's encoder of a modality. Raises `C3Error` if the bridge was fitted with another one."""
        return self.encoders.encoder(modality)

    def run(
        self,
        sources: Any,
        *,
        modality: str | None = None,
        generation: GenerationOptions | Mapping[str, Any] | None = None,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
        **generation_options: Any,
    ) -> Any:
        """Make one output of each source: the output of one source, or the list of those of many, in order.

        A source is what the reader of its modality takes: a path, a sentence, a PIL image, an array, a wave with its
        rate. An array of numbers is one source. Many are any iterable of them, a `Store`, or the batches that
        `encoder(modality).encode_batches` gives. Without `modality` it is guessed for each source, as `c3 run` does
        (`c3core.data.guess_modality`). Pictures come out as PIL images.

        `generation` and further keywords are options of the decoder: `pipeline("photo.jpg", num_beams=3)`. With
        `best_of` n, n outputs are made of each source, and the one is kept that the space sees nearest to it: the
        largest cosine between their conditions. The bridge must know the decoder's modality for that. At most
        `batch_size` outputs are made at once.

        Of many sources, one that cannot be read gives a `BadItem` in its place. Raises `C3Error` if one source alone
        cannot be read, and `WrongCall` for wrong options, or a modality that cannot be guessed or is not taken.

        To call the pipeline is the same:

        >>> import c3core
        >>> painter = c3core.load_pipeline("playground/painter-stylegan")
        >>> painter("a large red ring").size
        (32, 32)
        """
        one = not isinstance(sources, Store | Encoded) and is_one(sources)
        if one and isinstance(sources, str | Path) and os.path.isdir(sources):
            items = f"c3core.load_items({str(sources)!r}{'' if modality is None else f', {modality!r}'})"
            raise WrongCall(f"{sources} is a folder, not one source. Give the files in it: {items}.")
        made = self.stream(
            [sources] if one else sources,
            modality=modality,
            generation=generation,
            seed=seed,
            batch_size=batch_size,
            best_of=best_of,
            **generation_options,
        )
        outputs = [output for _, output in sorted(made, key=lambda entry: entry[0])]
        if one and isinstance(outputs[0], BadItem):
            words = or_words(sources) if modality is None and isinstance(sources, str) else ""
            raise C3Error(f"{outputs[0]}. Give another source{words}.")
        return outputs[0] if one else outputs

    __call__ = run

    def stream(
        self,
        sources: Iterable[Any] | Iterable[Encoded] | Store,
        *,
        modality: str | None = None,
        skip: int = 0,
        restarts: Collection[int] = (),
        **options: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Yield (position, output or `BadItem`) of many sources as soon as a batch is done.

        `options` are those of `run`. Sources of one modality come in order; those of several come one modality after
        the other. To continue a stream of one modality, give the rest of its sources, and as `skip` the number of
        outputs that were made, without bad items: random outputs are then those of the whole stream. To run the sources
        of several runs of one modality together, give as `restarts` the positions at which each begins: random outputs
        are then those of each run by itself.
        """
        refuse_table(sources, "the sources")
        yield from self._runner(**options).stream(sources, modality, skip=skip, restarts=restarts)

    def check_run(self, **options: Any) -> GenerationOptions:
        """Return the decoder's options. Raises `C3Error` for what `run` would refuse whatever its sources are.

        `options` are those of `run`.
        """
        return self._runner(**options).options

    def condition(self, embeddings: Tensor, modality: str) -> Tensor:
        """Map unit embeddings (n, dim) to the decoder's conditions, for use."""
        self._require_fitted()
        if not torch.isfinite(embeddings).all():
            raise C3Error(f"the {modality} embeddings hold NaN or infinite values. Check the encoder, or embed again.")
        return self._framed_bridge().condition(embeddings, modality)

    def _runner(
        self,
        *,
        generation: GenerationOptions | Mapping[str, Any] | None = None,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
        **generation_options: Any,
    ) -> Runner:
        self._require_fitted()
        options = self.decoder.check_options(generation)
        if generation_options:
            options = self.decoder.check_options({**options.model_dump(exclude_unset=True), **generation_options})
        bridge, known = self._framed_bridge(), self.familiar
        return Runner(self.encoders, bridge, self.decoder, options, seed, batch_size, best_of, known)

    # ---- one folder

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `pipeline.json`, `bridge.safetensors`, `decoder/` and, for a space that lives in a folder, `space/`."""
        self._require_fitted()
        about = self.fingerprints, self.trained_on, self.licenses, self.familiar
        save(Saved(self.space, self.bridge, self.decoder, *about), folder)

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool = False,
        revision: str | None = None,
        commit_message: str | None = None,
        token: str | None = None,
    ) -> str:
        """Save the pipeline and push it to the Hugging Face hub as `repo`: see `c3core.push_to_hub`."""
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_to_hub(
                folder, repo, private=private, revision=revision, commit_message=commit_message, token=token
            )

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        device: str = "auto",
        precision: str = "float32",
        space: Space | None = None,
        **space_options: Any,
    ) -> Self:
        """Load a pipeline: its folder, the name that a plugin registers it under, or a name on the hub.

        On the hub, `owner/name@revision` or `revision` names a branch, a tag or a commit. Files are checked against
        their checksums; encoders load when first used. `precision` is that of the encoders. `space` replaces the one
        that it was saved with: its encoders must be the same. Further options are the space's own.
        Raises `WrongCall` for an unknown name, `CorruptFile` for
        a missing or changed file, `NotInstalled` for a missing plugin, and `NotReachable` if the hub does not answer.
        """
        folder = pipeline_folder(name, revision=revision)
        saved = read_saved(folder, device=device, precision=precision, space=space, **space_options)
        pipeline = cls(saved.space, saved.bridge, saved.decoder)
        pipeline.trained_on, pipeline.loaded, pipeline.licenses = saved.trained_on, saved.files, saved.licenses
        pipeline.encoders.fingerprints.update(saved.fingerprints)
        pipeline.familiar = saved.familiar
        return pipeline


def load_pipeline(
    name: str | Path,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    space: Space | None = None,
    **space_options: Any,
) -> Pipeline:
    """Load a pipeline: its folder, the name that a plugin registers it under, or a name on the hub.

    The same as `Pipeline.from_pretrained`, which says what the options mean.

    >>> load_pipeline("playground/captioner", device="cpu").modalities
    ('text', 'image', 'video', 'audio')
    """
    own = {"revision": revision, "device": device, "precision": precision, "space": space}
    return Pipeline.from_pretrained(name, **own, **space_options)  # type: ignore[arg-type]


def _by_position(items: Any) -> dict[str, Sequence[Any] | Store]:
    """Items by modality, each as a store or as a sequence: see `by_position`."""
    if not isinstance(items, Mapping):
        raise WrongCall(f"items are given by modality, {{modality: sources}}, not as {type(items).__name__}.")
    return {modality: _held(given, f"the {modality} items") for modality, given in items.items()}


def _held(given: Any, what: str) -> Sequence[Any] | Store:
    if isinstance(given, Store):
        return given
    if isinstance(given, str | Path):
        path = f"c3core.load_items({str(given)!r}, …)"
        raise WrongCall(f"{what} must be a list. Write [item], or for what a path names {path}.")
    stream = streamed(given, what)
    return by_position(given, what) if stream is None else stream

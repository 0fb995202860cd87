"""A pipeline: a space, a bridge and a decoder; fitted, run, saved and loaded as one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor

from c3core.contracts import BadItem, Bridge, Decoder, Encoded, Encoder, GenerationOptions, Space
from c3core.data.modality import is_one
from c3core.data.pairs import Pairs
from c3core.errors import C3Error, WrongCall
from c3core.io.files import working_folder
from c3core.io.validation import by_position
from c3core.pipeline.encoders import FittedEncoders
from c3core.pipeline.fitting import PipelineFitter
from c3core.pipeline.loading import pipeline_folder
from c3core.pipeline.runner import Runner
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
        self.space, self.bridge, self.decoder = space, bridge, decoder
        self._framed_bridge()  # refuses a bridge without the frame that the decoder needs
        self.trained_on: list[dict[str, Any]] = []
        self.encoders = FittedEncoders(space)
        self.licenses: dict[str, str] = {}  # of these encoders, as the pipeline's folder said
        self.loaded: dict[str, str] = {}  # the sha256 of each file that it was loaded from

    def _framed_bridge(self) -> Bridge:
        """The bridge in the decoder's frame. It shares its statistics with `bridge`: to fit one is to fit both."""
        return self.bridge.native() if self.decoder.frame == "native" else self.bridge

    # ---- training

    def fit(
        self,
        items: Mapping[str, Sequence[Any] | Store] | None = None,
        *,
        pairs: Pairs | None = None,
        validation: Sequence[Any] | Store | Pairs | None = None,
        bridge: Literal["fit", "keep"] = "fit",
        training: TrainingOptions | Mapping[str, Any] | None = None,
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
        chosen = TrainingOptions.of(training)
        items = _by_position({} if items is None else items)
        if validation is not None and not isinstance(validation, Pairs):
            validation = _by_position({self.decoder.modality: validation})[self.decoder.modality]
        with working_folder(folder) as place:
            run = PipelineFitter(
                self.encoders,
                self._framed_bridge(),
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
            run = PipelineFitter(
                self.encoders, self._framed_bridge(), self.decoder, place, TrainingOptions(), quiet=quiet
            )
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

    def __call__(self, sources: Any, **options: Any) -> Any:
        """Run the pipeline: the same as `run`.

        >>> import c3core
        >>> painter = c3core.load_pipeline("playground/painter-stylegan")
        >>> painter("a large red ring").size
        (32, 32)
        """
        return self.run(sources, **options)

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
        """
        one = not isinstance(sources, Store | Encoded) and is_one(sources)
        if one and isinstance(sources, str | Path) and os.path.isdir(sources):
            items = f"c3core.load_items({str(sources)!r}, {modality!r})"
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
            raise C3Error(f"{outputs[0]}. Give another source.")
        return outputs[0] if one else outputs

    def stream(
        self,
        sources: Iterable[Any] | Iterable[Encoded] | Store,
        *,
        modality: str | None = None,
        generation: GenerationOptions | Mapping[str, Any] | None = None,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
        **generation_options: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Yield (position, output or `BadItem`) of many sources, as `run` makes them, as soon as a batch is done.

        Sources of one modality come in order; those of several come one modality after the other.
        """
        runner = self._runner(generation, generation_options, seed=seed, batch_size=batch_size, best_of=best_of)
        yield from runner.stream(sources, modality)

    def check_run(
        self,
        generation: GenerationOptions | Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
        **generation_options: Any,
    ) -> GenerationOptions:
        """Return the decoder's options. Raises `C3Error` for what `run` would refuse whatever its sources are."""
        runner = self._runner(generation, generation_options, seed=seed, batch_size=batch_size, best_of=best_of)
        return runner.options

    def condition(self, embeddings: Tensor, modality: str) -> Tensor:
        """Map unit embeddings (n, dim) to the decoder's conditions, for use."""
        return self._runner().condition(embeddings, modality)

    def _runner(
        self,
        generation: GenerationOptions | Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        batch_size: int = 64,
        best_of: int = 1,
    ) -> Runner:
        options = self.decoder.check_options(generation)
        if more:
            options = self.decoder.check_options({**options.model_dump(exclude_unset=True), **more})
        bridge = self._framed_bridge()
        runner = Runner(self.encoders, bridge, self.decoder, options, seed, batch_size, best_of)
        runner.check()
        return runner

    # ---- one folder

    def save_pretrained(self, folder: str | Path) -> None:
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
    def from_pretrained(
        cls, name: str | Path, *, device: str = "auto", precision: str = "float32", space: Space | None = None
    ) -> Self:
        """Load a pipeline: its folder, the name that a plugin registers it under, or a name on the hub (user/name).

        Its files are checked against their checksums; encoders load when first used. `precision` is that of the
        encoders. `space` replaces the one that it was saved with: its encoders must be the same. Raises `WrongCall` for
        an unknown name, `CorruptFile` for a missing or changed file, `NotInstalled` for a missing plugin, and
        `NotReachable` if the hub does not answer.
        """
        saved = read_saved(pipeline_folder(name), device=device, precision=precision, space=space)
        pipeline = cls(saved.space, saved.bridge, saved.decoder)
        pipeline.trained_on, pipeline.loaded, pipeline.licenses = saved.trained_on, saved.files, saved.licenses
        pipeline.encoders.fingerprints.update(saved.fingerprints)
        return pipeline


def load_pipeline(
    name: str | Path, *, device: str = "auto", precision: str = "float32", space: Space | None = None
) -> Pipeline:
    """Load a pipeline: the same as `Pipeline.from_pretrained`."""
    return Pipeline.from_pretrained(name, device=device, precision=precision, space=space)


def _by_position(items: Any) -> dict[str, Sequence[Any] | Store]:
    """Items by modality, each as a store or as a sequence: see `by_position`."""
    if not isinstance(items, Mapping):
        raise WrongCall(f"items are given by modality, {{modality: sources}}, not as {type(items).__name__}.")
    return {
        modality: given if isinstance(given, Store) else by_position(given, f"the {modality} items")
        for modality, given in items.items()
    }

"""Pretrained pipelines of diffusers that take a picture's CLIP embedding, as decoders with nothing to train."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import diffusers
import torch
from pydantic import Field
from torch import Tensor, nn

from c3_diffusion.folders import class_name, diffusers_folder, fingerprint, license_of, loading, variant_of
from c3_diffusion.noise import shared_generators
from c3core.contracts import DecoderSettings, DecoderState, GenerationOptions, Reader
from c3core.errors import C3Error, WrongCall, lines_of
from c3core.io import read_json, refuse_pickles
from c3core.media import ImageReader, PictureDecoder
from c3core.runtime import compute_dtype

LARGEST = 4096  # pixels of the side of a picture


class PretrainedSettings(DecoderSettings):
    """What a pretrained decoder is made of."""

    model: str = Field(min_length=1, description="a pipeline in diffusers' format: a hub name or a folder")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="a device without instructions for a half precision computes in float32"
    )


class PretrainedState(DecoderState):
    """What tells the weights of the model from others under the same name."""

    fingerprint: str


class PretrainedOptions(GenerationOptions):
    """Options of drawing. `noise` is as in `PictureOptions`. Guidance of 1 or less is none."""

    batch_size: int = Field(4, ge=1, description="pictures drawn at once")
    steps: int = Field(25, ge=1)
    guidance: float = Field(4.0, ge=0)
    size: int | None = Field(
        None, ge=8, le=LARGEST, multiple_of=8, description="side in pixels; None: the pipeline's own"
    )
    noise: Literal["own", "shared"] = "own"


class PretrainedDecoder(PictureDecoder):
    """The base of `unclip` and `kandinsky`: uint8 pictures (h, w, 3) from conditions like a CLIP's picture embeddings.

    Its frame is "native": the pipeline's bridge gives embeddings with the mean and the norm of the picture encoder's
    own. So the space must be that of the CLIP that the model was made for. `save` writes a reference (a name or a
    folder, and a fingerprint) instead of gigabytes. `load` refuses weights that have changed since.
    """

    frame: ClassVar[Literal["bridge", "native"]] = "native"
    trainable = False
    settings_class: ClassVar[type[DecoderSettings]] = PretrainedSettings
    options_class: ClassVar[type[GenerationOptions]] = PretrainedOptions
    state_class: ClassVar[type[DecoderState]] = PretrainedState
    pipelines: ClassVar[tuple[str, ...]]  # the classes of diffusers that it takes; the first one runs
    unused: ClassVar[tuple[str, ...]] = ()  # parts of the pipeline that are not loaded
    settings: Any

    def __init__(self, condition_dim: int, *, device: str | torch.device = "auto", **settings: Any) -> None:
        super().__init__(condition_dim, device=device, **settings)
        folder = diffusers_folder(self.settings.model)
        if (local := Path(self.settings.model).expanduser()).is_dir():  # loads from wherever a command runs
            self.settings = self.settings.model_copy(update={"model": str(local.resolve())})
        model = self.settings.model
        self.pipeline = self._load_pipeline(folder)
        parts = {name: part for name, part in self.pipeline.components.items() if part is not None}
        self.fingerprint = fingerprint(folder, parts)
        self.license = license_of(folder, model)
        if self.embedding_dim != condition_dim:
            raise WrongCall(
                f"{model!r} takes embeddings of size {self.embedding_dim}, not {condition_dim}."
                " Use the space of the CLIP that it was made for."
            )
        networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
        self.parts = nn.ModuleDict(networks).requires_grad_(False).eval()
        self.to(self.device)

    def _load_pipeline(self, folder: Path) -> Any:
        found = class_name(folder, "model_index.json")
        if found not in self.pipelines:
            raise WrongCall(f"{folder} holds a {found}; decoder {self.name!r} takes {' or '.join(self.pipelines)}.")
        parts = [folder / part for part in sorted(read_json(folder / "model_index.json").keys() - {*self.unused})]
        for part in parts:
            refuse_pickles(part, lone=True)  # nothing else in the folder is read
        with loading(folder):
            pipeline: Any = getattr(diffusers, self.pipelines[0]).from_pretrained(
                folder,
                use_safetensors=True,
                variant=variant_of(parts),
                dtype=compute_dtype(self.settings.precision, self.device),
                **dict.fromkeys(self.unused),
            )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """The size of the embeddings that the pipeline takes."""

    @abstractmethod
    def _run(self, embeddings: Tensor, options: Any, generators: list[torch.Generator]) -> Tensor:
        """Run the pipeline: pictures (n, 3, h, w) in −1 … 1 for embeddings (n, dim), with a generator for each."""

    # ---- nothing to train

    def train(self, mode: bool = True) -> Self:
        """As any module. The pretrained parts stay in eval mode."""
        super().train(mode)
        if "parts" in self._modules:
            self.parts.eval()
        return self

    def reader(self) -> Reader:
        """Pictures as they are. Only the mean of their embeddings is used."""
        return ImageReader()

    def collate(self, targets: Sequence[Any]) -> Any:
        return list(targets)

    def loss(self, conditions: Tensor, batch: Any) -> Tensor:
        """Raises `C3Error`: there is nothing to train."""
        raise C3Error(
            f"decoder {self.name!r} is pretrained and has no loss. Fit its pipeline without training options."
        )

    # ---- drawing

    def check_options(self, options: GenerationOptions | Mapping[str, Any] | None) -> Any:
        """As any decoder. Refuses more steps than the model was trained with."""
        chosen = super().check_options(options)
        most: int = self.pipeline.scheduler.config.num_train_timesteps
        if chosen.steps > most:
            raise WrongCall(f"steps may be at most {most} for this model, got {chosen.steps}.")
        return chosen

    def row_generators(self, count: int, options: Any, generator: torch.Generator | None) -> list[torch.Generator]:
        if options.noise == "shared":
            return shared_generators(count, generator)
        return super().row_generators(count, options, generator)

    def _draw(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> Tensor:
        """Run the pipeline. Raises `C3Error` if its scheduler cannot do so many steps, or if it draws NaN."""
        steps, dtype = options.steps, next(self.parts.parameters()).dtype
        try:
            drawn = self._run(conditions.to(dtype), options, generators)
        except C3Error:
            raise
        except (IndexError, ValueError) as error:
            raise WrongCall(f"the model cannot draw in {steps} steps ({lines_of(error)[0]}). Ask for fewer.") from error
        if not torch.isfinite(drawn).all():
            precision = str(dtype).removeprefix("torch.")
            raise C3Error(
                f"the model drew NaN or infinite numbers in {steps} steps and {precision}. Ask for other steps, or"
                " use float32."
            )
        return drawn

    # ---- files

    def _save_weights(self, folder: Path) -> None:
        """Write nothing: `decoder.json` names the model and its fingerprint."""

    def _state(self) -> PretrainedState:
        return PretrainedState(fingerprint=self.fingerprint)

    def _load_weights(self, folder: Path, state: PretrainedState) -> None:
        """Refuse the model if it is not what it was."""
        if self.fingerprint != state.fingerprint:
            raise C3Error(
                f"{self.settings.model!r} holds other weights than when the pipeline was saved. Fit and save it again."
            )

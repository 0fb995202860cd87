"""Pretrained pipelines of diffusers that take a picture's CLIP embedding, as decoders with nothing to train."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import diffusers
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from c3_diffusion.chance import row_generators
from c3_diffusion.folders import class_name, diffusers_folder, fingerprint, license_of, loading
from c3core.contracts import GenerateOptions, Objective, Reader
from c3core.errors import C3Error, WrongCall, lines_of
from c3core.io import checked, read_checked, read_json, refuse_pickles, write_json
from c3core.media import ImageReader, Picture, PictureDecoder, to_pictures
from c3core.runtime import device_of, precision_of

LARGEST = 4096  # pixels a side that are drawn


class _Saved(BaseModel):
    """`decoder.json`, as `save` writes it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    condition_dim: int = Field(ge=1)
    fingerprint: str
    settings: dict[str, Any]


class PretrainedSettings(BaseModel):
    """Options of a pretrained decoder; unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, description="a pipeline in diffusers' format: a hub name or a folder")
    precision: Literal["float32", "bfloat16", "float16"] = "float32"


class PretrainedOptions(GenerateOptions):
    """How pictures are drawn. `noise` and `batch_size` are as in `PictureOptions`; guidance of 1 or less is none."""

    steps: int = Field(25, ge=1)
    guidance: float = Field(4.0, ge=0)
    size: int | None = Field(
        None, ge=8, le=LARGEST, multiple_of=8, description="side in pixels; None: the pipeline's own"
    )
    noise: Literal["own", "shared"] = "own"
    batch_size: int = Field(4, ge=1, description="pictures drawn at once")


class PretrainedDecoder(PictureDecoder):
    """The base of `unclip` and `kandinsky`: uint8 pictures (h, w, 3) from conditions that are a CLIP's picture
    embeddings.

    Its frame is "native": the pipeline's bridge gives embeddings with the mean and the norm of the picture encoder's
    own, so that the space must be that of the CLIP which the model was made for. `save` writes a reference (name or
    folder, and a fingerprint) rather than gigabytes: `load` refuses weights that have changed since.
    """

    frame: ClassVar[Literal["bridge", "native"]] = "native"
    Options: ClassVar[type[GenerateOptions]] = PretrainedOptions
    Settings: ClassVar[type[PretrainedSettings]] = PretrainedSettings
    pipelines: ClassVar[tuple[str, ...]]  # the classes of diffusers that it takes; the first one runs
    unused: ClassVar[tuple[str, ...]] = ()  # parts of the pipeline that are not loaded

    def __init__(self, condition_dim: int, *, device: str = "auto", **options: Any) -> None:
        super().__init__()
        self.condition_dim = condition_dim
        self.settings: Any = checked(self.Settings, options, what=f"options of decoder {self.name!r}")
        self._device, model = device_of(device), self.settings.model
        folder = diffusers_folder(model)
        self.pipeline = self._load(folder)
        self.fingerprint = fingerprint(
            folder, [name for name, part in self.pipeline.components.items() if part is not None]
        )
        self.license = license_of(folder, model)
        if self.embedding_dim != condition_dim:
            raise WrongCall(
                f"{model!r} takes embeddings of size {self.embedding_dim}, not {condition_dim}."
                " Use the space of the CLIP that it was made for."
            )
        parts = {name: part for name, part in self.pipeline.components.items() if isinstance(part, nn.Module)}
        self.parts = nn.ModuleDict(parts).requires_grad_(False).eval()
        self.to(self._device)

    def _load(self, folder: Path) -> Any:
        found = class_name(folder, "model_index.json")
        if found not in self.pipelines:
            raise WrongCall(f"{folder} holds a {found}; decoder {self.name!r} takes {' or '.join(self.pipelines)}.")
        for part in read_json(folder / "model_index.json").keys() - {*self.unused}:
            refuse_pickles(folder / part, lone=True)  # what lies beside the parts is not read
        with loading(folder):
            pipeline: Any = getattr(diffusers, self.pipelines[0]).from_pretrained(
                folder,
                use_safetensors=True,
                dtype=precision_of(self.settings.precision),
                **dict.fromkeys(self.unused),
            )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """The size of the embeddings that the pipeline takes."""

    @abstractmethod
    def draw(self, embeddings: Tensor, options: Any, generators: list[torch.Generator]) -> Tensor:
        """Pictures (n, 3, h, w) in −1 … 1 of (n, dim) embeddings, with a generator each."""

    # ---- nothing to train

    def train(self, mode: bool = True) -> Self:
        """As any module; the pretrained parts stay in eval mode."""
        super().train(mode)
        if "parts" in self._modules:
            self.parts.eval()
        return self

    def objectives(self) -> list[Objective]:
        """None: the bridge is all that is fitted."""
        return []

    def reader(self) -> Reader:
        """Pictures as they are; nothing is learned from them but their embeddings' mean."""
        return ImageReader()

    def collate(self, targets: Sequence[Any]) -> Any:
        return list(targets)

    def loss(self, conditions: Tensor, batch: Any) -> Tensor:
        """A `C3Error`: there is nothing to train."""
        raise C3Error(
            f"decoder {self.name!r} is pretrained and has no loss. Fit its pipeline without training options."
        )

    # ---- use

    def generate(
        self, conditions: Tensor, options: Any = None, *, generator: torch.Generator | None = None
    ) -> list[Picture]:
        """One picture a condition, in order. Each row has a generator of its own, seeded from `generator`."""
        chosen: Any = self.options(options)
        most: int = self.pipeline.scheduler.config.num_train_timesteps
        if chosen.steps > most:
            raise WrongCall(f"steps may be at most {most} for this model, got {chosen.steps}.")
        conditions = self.check(conditions)
        own = iter(row_generators(len(conditions), generator, shared=chosen.noise == "shared"))
        pictures: list[Picture] = []
        with torch.no_grad():
            for rows in conditions.split(chosen.batch_size):
                if len(rows):
                    generators = list(islice(own, len(rows)))
                    drawn = self._drawn(rows.to(precision_of(self.settings.precision)), chosen, generators)
                    pictures += to_pictures(drawn)
        return pictures

    def _drawn(self, embeddings: Tensor, options: Any, generators: list[torch.Generator]) -> Tensor:
        """`draw`; what schedulers do over a number of steps that is too much for them becomes a `C3Error`."""
        steps = options.steps
        try:
            drawn = self.draw(embeddings, options, generators)
        except C3Error:
            raise
        except (IndexError, ValueError) as error:
            raise WrongCall(f"the model cannot draw in {steps} steps ({lines_of(error)[0]}). Ask for fewer.") from error
        if not torch.isfinite(drawn).all():
            precision = self.settings.precision
            raise C3Error(
                f"the model drew NaN or infinite numbers in {steps} steps and {precision}. Ask for other steps, or"
                " use float32."
            )
        return drawn

    # ---- files

    def save(self, folder: Path) -> None:
        """Write `decoder.json`: the model's name, or its folder as an absolute path, and its fingerprint."""
        settings = self.settings.model_dump(mode="json")
        if (local := Path(self.settings.model).expanduser()).is_dir():
            settings["model"] = str(local.resolve())
        config = {"condition_dim": self.condition_dim, "fingerprint": self.fingerprint, "settings": settings}
        write_json(Path(folder) / "decoder.json", config)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The decoder that `save` wrote. A `C3Error` if the model is gone or is not what it was."""
        saved = read_checked(_Saved, Path(folder) / "decoder.json", of=f"a {cls.name!r} decoder")
        decoder = cls(saved.condition_dim, device=device, **{**saved.settings, **cls._extra(Path(folder))})
        if decoder.fingerprint != saved.fingerprint:
            raise C3Error(
                f"{decoder.settings.model!r} holds other weights than when the pipeline was saved. Fit and save it"
                " again."
            )
        return decoder.eval()

    @classmethod
    def _extra(cls, folder: Path) -> Mapping[str, Any]:
        return {}

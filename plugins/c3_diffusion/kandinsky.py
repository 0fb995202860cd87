"""Kandinsky 2.2: its decoder takes the CLIP embedding of a picture, and that of a blank one to be guided away from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from c3_diffusion.folders import diffusers_folder, loading
from c3_diffusion.pretrained import LARGEST, PretrainedDecoder, PretrainedOptions, PretrainedSettings
from c3core.contracts import GenerateOptions
from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.io import read_json, refuse_pickles, write_tensors

BLANK = "blank.safetensors"


class KandinskySettings(PretrainedSettings):
    """Options of `KandinskyDecoder`."""

    prior: str | None = Field(
        None,
        min_length=1,
        description="the Kandinsky 2.2 prior (a hub name or a folder): its picture encoder embeds the blank picture,"
        " once",
    )


class KandinskyOptions(PretrainedOptions):
    """How Kandinsky draws."""

    size: int = Field(
        512, ge=8, le=LARGEST, multiple_of=8, description="side in pixels; rounded up to what the model can draw"
    )


class KandinskyDecoder(PretrainedDecoder):
    """Pictures of a pretrained Kandinsky 2.2 decoder (`KandinskyV22Pipeline` of diffusers).

    As `unclip`, in the space of CLIP ViT-bigG/14. Guidance leads away from the embedding of a blank picture (an even
    grey), which comes from the picture encoder of `prior`, or is given as `blank` (1, condition_dim) in that encoder's
    own scale; `save` keeps it, so that `prior` is not needed again.
    """

    name: ClassVar[str] = "kandinsky"
    Options: ClassVar[type[GenerateOptions]] = KandinskyOptions
    Settings: ClassVar[type[PretrainedSettings]] = KandinskySettings
    pipelines: ClassVar[tuple[str, ...]] = ("KandinskyV22Pipeline",)

    def __init__(
        self, condition_dim: int, *, blank: Tensor | None = None, device: str = "auto", **options: Any
    ) -> None:
        super().__init__(condition_dim, device=device, **options)
        if blank is None:
            if self.settings.prior is None:
                raise WrongCall(
                    "Kandinsky needs the embedding of a blank picture. Give prior="
                    " (kandinsky-community/kandinsky-2-2-prior, or"
                    " its folder), whose picture encoder makes it, or blank= (1, dim)."
                )
            blank = blank_embedding(self.settings.prior)
        if tuple(blank.shape) != (1, condition_dim) or not blank.is_floating_point() or not torch.isfinite(blank).all():
            raise C3Error(
                f"the blank picture's embedding must be floating-point, finite and of shape (1, {condition_dim}),"
                f" got {blank.dtype} {tuple(blank.shape)}."
            )
        self.blank: Tensor
        self.register_buffer("blank", blank.detach().float().to(self._device), persistent=False)

    @property
    def embedding_dim(self) -> int:
        return int(self.pipeline.unet.config.encoder_hid_dim)

    def draw(self, embeddings: Tensor, options: KandinskyOptions, generators: list[torch.Generator]) -> Tensor:
        drawn: Any = self.pipeline(
            image_embeds=embeddings,
            negative_image_embeds=self.blank.to(embeddings.dtype).expand(len(embeddings), -1),
            height=options.size,
            width=options.size,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            generator=generators,
            output_type="pt",
        )
        pictures: Tensor = drawn.images
        return pictures

    def save(self, folder: Path) -> None:
        """As its base, and the blank picture's embedding."""
        super().save(folder)
        write_tensors(Path(folder) / BLANK, {"blank": self.blank})

    @classmethod
    def _extra(cls, folder: Path) -> Mapping[str, Any]:
        path = folder / BLANK
        try:
            return {"blank": load_file(path)["blank"]}
        except (SafetensorError, OSError, KeyError) as error:
            raise CorruptFile(f"{path} is missing or cannot be read ({error}). Save the decoder again.") from error


def blank_embedding(prior: str) -> Tensor:
    """(1, dim) embedding of a blank picture by the picture encoder of a Kandinsky 2.2 prior, in the encoder's own
    scale.

    It is all zeros after CLIP's normalisation, and so CLIP's mean colour, a grey: as diffusers has it.
    """
    from transformers import CLIPVisionModelWithProjection

    folder = diffusers_folder(prior, part="image_encoder")
    config = folder / "config.json"
    described = read_json(config) if config.is_file() else None
    if not isinstance(described, dict) or described.get("model_type") != "clip_vision_model":
        raise WrongCall(f"{prior!r} is no Kandinsky 2.2 prior: it has no image_encoder of CLIP.")
    refuse_pickles(folder, lone=True)
    with loading(folder), torch.no_grad():
        encoder: Any = CLIPVisionModelWithProjection.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        side = encoder.config.image_size
        embedding: Tensor = encoder.eval()(torch.zeros(1, 3, side, side)).image_embeds
    return embedding

"""Kandinsky 2.2: its decoder takes the CLIP embedding of a picture, and that of a blank picture for guidance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from c3_diffusion.folders import diffusers_folder, loading, variant_of
from c3_diffusion.pretrained import LARGEST, PretrainedDecoder, PretrainedOptions, PretrainedSettings
from c3core.contracts import DecoderSettings, GenerationOptions
from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.io import read_json, refuse_pickles, write_tensors

BLANK = "blank.safetensors"


class KandinskySettings(PretrainedSettings):
    """What a `KandinskyDecoder` is made of."""

    prior: str | None = Field(
        None,
        min_length=1,
        description="the Kandinsky 2.2 prior (a hub name or a folder), whose picture encoder embeds the blank picture",
    )


class KandinskyOptions(PretrainedOptions):
    """Options of drawing with Kandinsky."""

    size: int = Field(
        512, ge=8, le=LARGEST, multiple_of=8, description="side in pixels; rounded up to what the model can draw"
    )


class KandinskyDecoder(PretrainedDecoder):
    """Pictures of a pretrained Kandinsky 2.2 decoder (`KandinskyV22Pipeline` of diffusers).

    As `unclip`, in the space of CLIP ViT-bigG/14. Guidance leads away from the embedding of a blank picture (an even
    gray). The picture encoder of `prior` makes that embedding, or it is given as `blank` (1, condition_dim) in the
    encoder's own scale. `save` keeps it, so that `prior` is not needed again.
    """

    name: ClassVar[str] = "kandinsky"
    options_class: ClassVar[type[GenerationOptions]] = KandinskyOptions
    settings_class: ClassVar[type[DecoderSettings]] = KandinskySettings
    pipelines: ClassVar[tuple[str, ...]] = ("KandinskyV22Pipeline",)

    def __init__(
        self,
        condition_dim: int,
        *,
        blank: Tensor | None = None,
        device: str | torch.device = "auto",
        **settings: Any,
    ) -> None:
        super().__init__(condition_dim, device=device, **settings)
        if blank is None:
            if self.settings.prior is None:
                raise WrongCall(
                    "Kandinsky needs the embedding of a blank picture. Give prior="
                    " (kandinsky-community/kandinsky-2-2-prior, or its folder), whose picture encoder makes it, or"
                    " blank= (1, dim)."
                )
            blank = blank_embedding(self.settings.prior)
        if tuple(blank.shape) != (1, condition_dim) or not blank.is_floating_point() or not torch.isfinite(blank).all():
            raise C3Error(
                f"the blank picture's embedding must be floating-point, finite and of shape (1, {condition_dim}),"
                f" got {blank.dtype} {tuple(blank.shape)}."
            )
        self.blank: Tensor
        self.register_buffer("blank", blank.detach().float().to(self.device), persistent=False)

    @property
    def embedding_dim(self) -> int:
        return int(self.pipeline.unet.config.encoder_hid_dim)

    def _run(self, embeddings: Tensor, options: KandinskyOptions, generators: list[torch.Generator]) -> Tensor:
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

    def _save_weights(self, folder: Path) -> None:
        """Write the blank picture's embedding."""
        write_tensors(folder / BLANK, {"blank": self.blank})

    @classmethod
    def _load_parts(cls, folder: Path, settings: Any) -> Mapping[str, Any]:
        path = folder / BLANK
        try:
            return {"blank": load_file(path)["blank"]}
        except (SafetensorError, OSError, KeyError) as error:
            raise CorruptFile(f"{path} is missing or cannot be read ({error}). Save the decoder again.") from error


def blank_embedding(prior: str) -> Tensor:
    """Embed a blank picture (1, dim) with the picture encoder of a Kandinsky 2.2 prior, in the encoder's own scale.

    As in diffusers, the picture is all zeros after CLIP's normalization: CLIP's mean color, a gray.
    """
    from transformers import CLIPVisionModelWithProjection

    folder = diffusers_folder(prior, part="image_encoder")
    config = folder / "config.json"
    described = read_json(config) if config.is_file() else None
    if not isinstance(described, dict) or described.get("model_type") != "clip_vision_model":
        raise WrongCall(f"{prior!r} is no Kandinsky 2.2 prior: it has no image_encoder of CLIP.")
    refuse_pickles(folder, lone=True)
    with loading(folder), torch.no_grad():
        encoder: Any = CLIPVisionModelWithProjection.from_pretrained(
            folder, use_safetensors=True, variant=variant_of([folder]), dtype=torch.float32
        )
        side = encoder.config.image_size
        embedding: Tensor = encoder.eval()(torch.zeros(1, 3, side, side)).image_embeds
    return embedding

"""Stable unCLIP: Stable Diffusion that takes the CLIP embedding of a picture."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from c3_diffusion.pretrained import PretrainedDecoder, PretrainedOptions
from c3core.contracts import GenerateOptions
from c3core.errors import WrongCall


class UnclipOptions(PretrainedOptions):
    """How Stable unCLIP draws. `noise_level` blurs the embedding: pictures vary more. `prompt` is said beside it, to
    all rows.
    """

    guidance: float = Field(10.0, ge=0)
    noise_level: int = Field(0, ge=0)
    prompt: str = ""


class UnclipDecoder(PretrainedDecoder):
    """Pictures of a pretrained Stable unCLIP (`StableUnCLIPImg2ImgPipeline` of diffusers).

    With a C3 bridge a sentence's embedding, shifted to the pictures' mean and rescaled to their norm, takes the place
    of a picture's: text to picture without a trained prior. The space must be the CLIP that the model was made for
    (ViT-H/14 of LAION for Stable unCLIP 2.1, OpenAI's ViT-L/14 for its small form).

    `options` are the fields of `PretrainedSettings`: `model` (a hub name or a folder) and `precision`.
    """

    name: ClassVar[str] = "unclip"
    Options: ClassVar[type[GenerateOptions]] = UnclipOptions
    pipelines: ClassVar[tuple[str, ...]] = ("StableUnCLIPImg2ImgPipeline",)
    unused: ClassVar[tuple[str, ...]] = ("image_encoder", "feature_extractor")  # the space embeds, not the pipeline

    @property
    def embedding_dim(self) -> int:
        return int(self.pipeline.image_normalizer.config.embedding_dim)

    def draw(self, embeddings: Tensor, options: UnclipOptions, generators: list[torch.Generator]) -> Tensor:
        pipeline = self.pipeline
        levels = pipeline.image_noising_scheduler.config.num_train_timesteps
        if options.noise_level >= levels:
            raise WrongCall(f"noise_level {options.noise_level}: this model has levels 0 to {levels - 1}.")
        # Its picture encoder is not loaded. Given embeddings, the pipeline asks it for its dtype alone, which any part
        # knows.
        pipeline.image_encoder = pipeline.image_normalizer
        drawn: Any = pipeline(
            prompt=[options.prompt] * len(embeddings),
            image_embeds=embeddings,
            noise_level=options.noise_level,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            height=options.size,
            width=options.size,
            generator=generators,
            output_type="latent",
        )
        pictures: Tensor = pipeline.vae.decode(drawn.images / pipeline.vae.config.scaling_factor).sample
        return pictures

"""Stable unCLIP: Stable Diffusion that takes the CLIP embedding of a picture."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from c3_diffusion.pretrained import PretrainedDecoder, PretrainedOptions
from c3core.contracts import GenerationOptions
from c3core.errors import WrongCall


class UnclipOptions(PretrainedOptions):
    """Options of drawing with Stable unCLIP."""

    guidance: float = Field(10.0, ge=0)
    noise_level: int = Field(0, ge=0, description="of noise on the embedding: more makes pictures vary more")
    prompt: str = Field("", description="a text that all rows get beside their embedding")


class UnclipDecoder(PretrainedDecoder):
    """Pictures of a pretrained Stable unCLIP (`StableUnCLIPImg2ImgPipeline` of diffusers).

    A C3 bridge shifts a sentence's embedding to the pictures' mean and rescales it to their norm, so that it replaces a
    picture's embedding: text to picture without a trained prior. The space must be the CLIP that the model was made for
    (ViT-H/14 of LAION for Stable unCLIP 2.1, OpenAI's ViT-L/14 for its small form). `PretrainedSettings` lists the
    options.
    """

    name: ClassVar[str] = "unclip"
    options_class: ClassVar[type[GenerationOptions]] = UnclipOptions
    pipelines: ClassVar[tuple[str, ...]] = ("StableUnCLIPImg2ImgPipeline",)
    unused: ClassVar[tuple[str, ...]] = ("image_encoder", "feature_extractor")  # the space embeds

    @property
    def embedding_dim(self) -> int:
        return int(self.pipeline.image_normalizer.config.embedding_dim)

    def _run(self, embeddings: Tensor, options: UnclipOptions, generators: list[torch.Generator]) -> Tensor:
        pipeline = self.pipeline
        levels = pipeline.image_noising_scheduler.config.num_train_timesteps
        if options.noise_level >= levels:
            raise WrongCall(f"noise_level {options.noise_level}: this model has levels 0 to {levels - 1}.")
        # The picture encoder is not loaded. Given embeddings, the pipeline asks it only for its dtype, as any part has.
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

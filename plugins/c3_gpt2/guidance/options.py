"""Options of guided decoding."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from c3core.contracts import GenerationOptions


class GuidanceOptions(GenerationOptions):
    """Options of guided decoding, with the values of the papers as defaults."""

    guidance: Literal["magic", "zerocap", "rerank"] | None = Field(
        None,
        description="let the space guide each word: MAGIC (arXiv 2205.02655) or ZeroCap (arXiv 2111.14447); or let it"
        " choose among the captions of num_beams: rerank. ZeroCap takes the nearest of its num_beams",
    )
    guidance_temperature: float = Field(
        0.01, ge=1e-6, description="of the softmax over the cosines of candidates with the condition"
    )
    rerank_weight: float = Field(0.2, ge=0, description="of the mean log-probability beside the likeness")
    magic_k: int = Field(45, ge=1, description="candidates for a word")
    magic_alpha: float = Field(0.1, ge=0, le=1, description="weight of the penalty for repetition")
    magic_beta: float = Field(2.0, ge=0, description="weight of the likeness with the condition")
    zerocap_candidates: int = Field(512, ge=1, description="candidates for a word")
    zerocap_iterations: int = Field(5, ge=1, description="gradient steps for a word")
    zerocap_step_size: float = Field(0.3, gt=0)
    zerocap_ce_scale: float = Field(0.2, ge=0, description="weight of staying near the language model")

    @model_validator(mode="after")
    def _each_guides(self) -> Self:
        fields = type(self).model_fields
        for name in GuidanceOptions.model_fields.keys() - GenerationOptions.model_fields.keys() - {"guidance"}:
            method = name.partition("_")[0]
            if getattr(self, name) == fields[name].default or self.guidance == method:
                continue
            if method != "guidance":
                raise ValueError(f"{name} has no effect without guidance={method}")
            if self.guidance in (None, "rerank"):
                raise ValueError(f"{name} has no effect without guidance=magic or zerocap")
        return self

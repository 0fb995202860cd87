"""What a caption decoder is made of, and how it is trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from c3core.contracts import DecoderSettings

FRESH = "fresh"
FRESH_ONLY = ("layers", "heads", "width", "vocabulary")


class Settings(DecoderSettings):
    """What a `CaptionDecoder` is made of and how it is trained."""

    model: str = Field(
        "gpt2",
        min_length=1,
        description='a causal language model: a hub name, a local folder, a .gguf file, or "fresh" for a new GPT-2',
    )
    mapping: Literal["linear", "mlp", "transformer", "none"] = Field(
        "mlp", description="none: no prefix of the condition; only guidance brings it in"
    )
    mapping_layers: int = Field(8, ge=1, le=64, description="of the transformer mapping")
    prefix_length: int = Field(10, ge=1, le=1024, description="tokens that a condition is mapped to")
    train: Literal["all", "mapping", "lora", "none"] = Field(
        "all", description='"none" uses a pretrained model as it is, without a mapping'
    )
    lora_rank: int = Field(8, ge=1, le=8192)
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="a device without bfloat16 computes in float32"
    )
    max_tokens: int = Field(64, ge=1, description="longer training sentences are cut")
    end_of_text: bool = Field(
        True, description="learn where a sentence ends; without it, generation needs stop_strings or max_new_tokens"
    )
    reward_weight: float = Field(0.0, ge=0, description="of a reward for sampled captions")
    reward: Literal["likeness", "cider"] = Field(
        "likeness",
        description="likeness: to unpaired items of other modalities; cider: with the sentence of the condition",
    )
    weights: Literal["float32", "float16"] = Field("float32", description="of the saved files")
    dropout: float | None = Field(
        None, ge=0, lt=1, description="of the language model; None: its own, and 0 for a fresh one"
    )

    layers: int = Field(4, ge=1, le=64, description="of a fresh model")
    heads: int = Field(4, ge=1, le=64, description="of a fresh model")
    width: int = Field(256, ge=1, le=8192, description="of a fresh model")
    vocabulary: int = Field(
        4000, ge=257, description="of a fresh model: the most subwords; 256 bytes and the end of text are among them"
    )

    @property
    def places(self) -> int:
        """The places before a sentence: the prefix, or the token that starts a text."""
        return 1 if self.mapping == "none" else self.prefix_length

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        fields = type(self).model_fields
        for name, need, met in (
            ("lora_rank", 'train="lora"', self.train == "lora"),
            ("mapping_layers", 'mapping="transformer"', self.mapping == "transformer"),
            ("prefix_length", "a mapping", self.mapping != "none"),
            ("reward", "reward_weight", self.reward_weight > 0),
        ):
            if not met and getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} has no effect without {need}")
        if self.train in ("mapping", "none") and (self.mapping == "none") != (self.train == "none"):
            raise ValueError(f'train="{self.train}" does not go with mapping="{self.mapping}"')
        if self.model != FRESH:
            for name in FRESH_ONLY:
                if getattr(self, name) != fields[name].default:
                    raise ValueError(f'{name} is for model="fresh"; {self.model!r} has its own')
            return self
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        if self.train != "all":
            raise ValueError(f'train="{self.train}" needs a pretrained model; a fresh one must learn all of it')
        return self

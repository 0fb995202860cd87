"""Captions, and the options of generating them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from c3_gpt2.guidance.options import GuidanceOptions


class Caption(str):
    """A sentence with a score: the mean log-probability of its tokens, end of text included, or None.

    >>> Caption("a red circle", score=-0.5).score
    -0.5
    """

    score: float | None

    def __new__(cls, text: str, score: float | None = None) -> Self:
        caption = super().__new__(cls, text)
        caption.score = score
        return caption


SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")  # need do_sample
BEAMS = ("length_penalty", "early_stopping")  # need num_beams > 1
GUIDED = {*GuidanceOptions.model_fields, "max_new_tokens", "prompt", "stop_strings", "scores", "precision"}


class CaptionOptions(GuidanceOptions):
    """Options of generating captions, under the names that transformers gives them.

    Greedy by default. `num_beams` > 1 searches with beams, with `length_penalty` and `early_stopping`. `do_sample`
    draws tokens at random, with `temperature`, `top_p`, `top_k` and the other ways to cut off unlikely tokens.
    `guidance` lets the space choose the words, or one of several captions.
    """

    max_new_tokens: int = Field(40, ge=1)
    prompt: str = Field("", description="words that every caption goes on from, and does not repeat")
    min_new_tokens: int = Field(0, ge=0)
    num_beams: int = Field(1, ge=1)
    length_penalty: float = Field(1.0, ge=-10, le=10)
    early_stopping: bool | Literal["never"] = False
    do_sample: bool = False
    temperature: float = Field(1.0, ge=1e-6)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: all")
    min_p: float | None = Field(None, gt=0, le=1)
    typical_p: float = Field(1.0, gt=0, le=1)
    epsilon_cutoff: float = Field(0.0, ge=0, lt=1)
    eta_cutoff: float = Field(0.0, ge=0, lt=1)
    repetition_penalty: float = Field(1.0, gt=0)
    no_repeat_ngram_size: int = Field(0, ge=0)
    suppress_tokens: list[int] | None = Field(None, description="ids that are never written")
    stop_strings: list[str] | None = Field(None, description="a caption ends with the first of these that it has")
    renormalize_logits: bool = False
    scores: bool = Field(False, description="compute `Caption.score`, which takes one more pass")
    precision: Literal["float32", "bfloat16"] | None = Field(
        None, description="None: that of the decoder; a device without bfloat16 computes in float32"
    )

    @model_validator(mode="after")
    def _each_has_an_effect(self) -> Self:
        fields = type(self).model_fields
        needs = [("do_sample=true", self.do_sample, SAMPLING), ("num_beams > 1", self.num_beams > 1, BEAMS)]
        for need, met, names in needs:
            for name in names:
                if not met and getattr(self, name) != fields[name].default:
                    raise ValueError(f"{name} has no effect without {need}")
        if self.guidance == "rerank":
            if self.num_beams == 1 or self.do_sample:
                to_sample = "to sample, write guidance=null and num_beams=1"
                raise ValueError(f"guidance=rerank chooses among beams: it needs num_beams > 1; {to_sample}")
        elif self.guidance:
            for name in fields.keys() - GUIDED:
                searched = name == "num_beams" and self.guidance == "zerocap"
                if getattr(self, name) != fields[name].default and not searched:
                    raise ValueError(f"{name} has no effect with guidance={self.guidance}")
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError(f"min_new_tokens {self.min_new_tokens} is more than max_new_tokens {self.max_new_tokens}")
        return self

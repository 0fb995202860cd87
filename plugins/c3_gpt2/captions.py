"""Captions, and the options of generating them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from c3core.contracts import GenerateOptions


class Caption(str):
    """A sentence. `score` is the mean log-probability of its tokens, with the end of text, where scores were asked for.

    >>> Caption("a red circle", score=-0.5).score
    -0.5
    """

    score: float | None

    def __new__(cls, text: str, score: float | None = None) -> Self:
        caption = super().__new__(cls, text)
        caption.score = score
        return caption


class CaptionOptions(GenerateOptions):
    """Options of `CaptionDecoder.generate`, under the names that transformers gives them.

    Greedy by default. `num_beams` > 1: beam search, with `length_penalty`. `do_sample`: draws, with `temperature`,
    `top_p` and `top_k`. `scores` fills `Caption.score` in, at the price of one more pass. `precision`: by default the
    decoder's own.
    """

    max_new_tokens: int = Field(40, ge=1)
    min_new_tokens: int = Field(0, ge=0)
    num_beams: int = Field(1, ge=1)
    length_penalty: float = 1.0
    do_sample: bool = False
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: all")
    repetition_penalty: float = Field(1.0, gt=0)
    no_repeat_ngram_size: int = Field(0, ge=0)
    batch_size: int = Field(64, ge=1)
    scores: bool = False
    precision: Literal["float32", "bfloat16"] | None = None

    @model_validator(mode="after")
    def _each_has_an_effect(self) -> Self:
        fields = type(self).model_fields
        unused = [] if self.do_sample else ["temperature", "top_p", "top_k"]
        for name in unused:
            if getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} has no effect without do_sample=true")
        if self.length_penalty != 1.0 and self.num_beams == 1:
            raise ValueError("length_penalty has no effect without num_beams > 1")
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError(f"min_new_tokens {self.min_new_tokens} is more than max_new_tokens {self.max_new_tokens}")
        return self

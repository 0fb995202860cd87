from __future__ import annotations

import copy
import json

import pytest

from c3_gpt2.caption import Caption, CaptionOptions
from c3core.errors import C3Error
from c3core.io.validation import checked


def test_a_caption_is_a_string_with_a_score() -> None:
    caption = Caption("a red circle", score=-0.5)
    assert caption == "a red circle"
    assert caption.score == -0.5
    assert Caption("x").score is None
    assert json.dumps([caption]) == '["a red circle"]'
    assert copy.deepcopy(caption).score == -0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"top_p": 0.9}, "top_p has no effect without do_sample"),
        ({"temperature": 0.5}, "temperature has no effect without do_sample"),
        ({"top_k": 5}, "top_k has no effect without do_sample"),
        ({"length_penalty": 2.0}, "length_penalty has no effect without num_beams"),
        ({"early_stopping": True}, "early_stopping has no effect without num_beams"),
        ({"min_p": 0.1}, "min_p has no effect without do_sample"),
        ({"typical_p": 0.5}, "typical_p has no effect without do_sample"),
        ({"num_beams": 2, "early_stopping": "often"}, "early_stopping"),
        ({"min_new_tokens": 50}, "min_new_tokens 50 is more than max_new_tokens 40"),
        ({"do_sample": True, "top_p": 1.5}, "top_p"),
        ({"do_sample": True, "temperature": 0}, "temperature"),
        ({"do_sample": True, "temperature": 1e-40}, "temperature"),
        ({"num_beams": 3, "length_penalty": 1000}, "length_penalty"),
        ({"num_beam": 3}, "did you mean num_beams"),
        ({"precision": "float16"}, "precision"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_options_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(C3Error, match=message):
        checked(CaptionOptions, values, what="options")


def test_a_dump_of_all_options_can_be_read_again() -> None:
    for options in (CaptionOptions(), CaptionOptions(do_sample=True, top_p=0.9, num_beams=2, length_penalty=0.5)):
        assert checked(CaptionOptions, options.model_dump(), what="options") == options

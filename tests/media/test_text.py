"""Strings in, stripped strings out; what no tokenizer takes is refused."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.contracts import BadItem
from c3core.media.text import TextReader, TruncationCheck

# Category Cs: halves of surrogate pairs.
good = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip)


@given(good)
def test_a_text_comes_out_stripped_and_again_the_same(text: str) -> None:
    read = TextReader().read(text)
    assert read == text.strip()
    assert TextReader().read(f"\n {text}\t") == read
    assert TextReader().read(read) == read


@given(good, st.sampled_from(["\0", "\ud800", "\udfff"]), good)
def test_nul_and_half_surrogates_are_refused(before: str, wrong: str, after: str) -> None:
    found = TextReader()(before + wrong + after)
    assert isinstance(found, BadItem)
    assert "NUL" in found.why or "surrogate" in found.why


@pytest.mark.parametrize("blank", ["", " ", "\n\t\r\x0b", "\u2003\u00a0"])
def test_blank_is_refused(blank: str) -> None:
    assert TextReader()(blank).why == "the text is empty"


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a"], Path("a.txt"), np.array(["a"])])
def test_what_is_no_string_is_refused_by_its_type(wrong: Any) -> None:
    assert TextReader()(wrong).why == f"text must be a string, not {type(wrong).__name__}"


def test_a_numpy_string_becomes_a_plain_one() -> None:
    assert type(TextReader().read(np.str_(" a "))) is str


def test_a_long_text_is_taken_and_a_name_of_a_file_is_text() -> None:
    assert len(TextReader().read("word " * 200_000)) == 999_999
    assert TextReader().read(__file__) == __file__


def test_the_reader_can_be_sent_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(TextReader())).read(" a ") == "a"


def test_a_truncated_text_is_warned_of_once() -> None:
    check = TruncationCheck(77, "word pieces")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(lambda: False)
        with pytest.raises(UserWarning, match="longer than 77 word pieces"):
            check(lambda: True)
        check(lambda: pytest.fail("asked again"))

"""Strings are stripped; what no tokenizer takes is refused."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.errors import C3Error
from c3core.media.text import TextReader, TruncationCheck

# Category Cs: halves of surrogate pairs.
valid = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip)


@given(valid)
def test_a_text_is_stripped_and_reading_it_again_changes_nothing(text: str) -> None:
    read = TextReader().read(text)
    assert read == text.strip()
    assert TextReader().read(f"\n {text}\t") == read
    assert TextReader().read(read) == read


@given(valid, st.sampled_from(["\0", "\ud800", "\udfff"]), valid)
def test_nul_and_half_surrogates_are_refused(before: str, wrong: str, after: str) -> None:
    with pytest.raises(C3Error, match="NUL" if wrong == "\0" else "surrogate"):
        TextReader().read(before + wrong + after)


@pytest.mark.parametrize("blank", ["", " ", "\n\t\r\x0b", "\u2003\u00a0"])
def test_blank_is_refused(blank: str) -> None:
    with pytest.raises(C3Error, match="the text is empty"):
        TextReader().read(blank)


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a"], Path("a.txt"), np.array(["a"])])
def test_only_strings_are_taken(wrong: Any) -> None:
    with pytest.raises(C3Error, match=f"not {type(wrong).__name__}"):
        TextReader().read(wrong)


def test_a_numpy_string_becomes_a_plain_one() -> None:
    assert type(TextReader().read(np.str_(" a "))) is str


def test_a_long_text_is_taken_and_the_name_of_a_file_is_text() -> None:
    assert len(TextReader().read("word " * 200_000)) == 999_999
    assert TextReader().read(__file__) == __file__


def test_the_reader_can_be_sent_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(TextReader())).read(" a ") == "a"


def test_a_truncated_text_gives_one_warning() -> None:
    check = TruncationCheck(77, "word pieces")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(lambda: False)
        with pytest.raises(UserWarning, match="longer than 77 word pieces"):
            check(lambda: True)
        check(lambda: pytest.fail("asked again"))


def test_texts_that_are_names_of_files_are_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("0.png", "1.png", "list.txt"):
        Path(name).touch()
    reader = TextReader()
    with pytest.warns(UserWarning, match=r"0\.png is read as a sentence, .* Is it the right column\?") as warned:
        assert [reader(name) for name in ("0.png", "1.png", "2.png")] == ["0.png", "1.png", "2.png"]
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=r"load_items\('list\.txt', \"text\"\)"):
        TextReader()("list.txt")

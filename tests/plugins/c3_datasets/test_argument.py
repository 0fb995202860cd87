"""The argument of a table: a name and checked options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3_datasets.argument import TableOptions, choose_split, parse
from c3core.errors import WrongCall


class Options(TableOptions):
    split: str | None = None
    images: str | None = None


def parsed(argument: str) -> tuple[str, Options]:
    return parse(argument, Options, table="photos", form="photos:FILE?split=test")


def test_a_name_may_stand_without_options() -> None:
    assert parsed("a b/c.json") == ("a b/c.json", Options())
    assert parsed("a.json?") == ("a.json", Options())


def test_options_follow_the_question_mark() -> None:
    assert parsed("a.json?split=test&images=my photos/c++=") == (
        "a.json",
        Options(split="test", images="my photos/c++="),
    )


def quoted(name: str) -> str:
    return name.replace("%", "%25").replace("&", "%26").replace("?", "%3F")


NAME = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name.strip())


@given(NAME, NAME)
def test_any_name_can_be_written(name: str, images: str) -> None:
    assert parsed(f"{quoted(name)}?images={quoted(images)}") == (name, Options(images=images))


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("", "table photos needs a name behind its colon: photos:FILE"),
        ("?split=test", "needs a name"),
        ("a?split", "an option is written name=value, not 'split'"),
        ("a?split=", "an option is written name=value"),
        ("a?split=b&split=c", "split is given twice"),
        ("a?imags=b", "imags: no such field, did you mean images?"),
    ],
)
def test_a_wrong_argument_is_refused(argument: str, says: str) -> None:
    with pytest.raises(WrongCall) as caught:
        parsed(argument)
    assert says in str(caught.value)


def test_the_split_is_the_one_asked_for_or_the_only_one() -> None:
    assert choose_split("test", ["train", "test"], "a.json") == "test"
    assert choose_split(None, ["test", "test"], "a.json") == "test"
    with pytest.raises(WrongCall, match="a.json has no split 'tset': did you mean test?"):
        choose_split("tset", ["train", "test"], "a.json")
    with pytest.raises(WrongCall, match="say which split of a.json to take.*known: test, train"):
        choose_split(None, ["train", "test"], "a.json")

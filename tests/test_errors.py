"""Near names, and the errors that a user reads."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from c3core import BadItem, BadItems
from c3core.errors import C3Error, CorruptFile, NotInstalled, NotReachable, WrongCall, library_errors, near, warn
from c3core.io import atomic_write
from c3core.statistics import unit_rows


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("c33", ["c1", "c3"], "did you mean c3?"),
        ("imge", ["text", "image", "audio"], "did you mean image?"),
        ("c2_3", ["c2_1", "c2_2", "playground"], "did you mean c2_2 or c2_1?"),
        ("zebra", ["c3", "c1"], "known: c1, c3."),
        ("zebra", [], "known: none."),
        ("", ["a"], "known: a."),
    ],
)
def test_near(name, known, hint):
    assert near(name, known) == hint


@given(st.text(), st.sets(st.text(alphabet="abcdef_", min_size=1), max_size=6))
def test_a_hint_names_something_known_and_a_known_name_first(name, known):
    hint = near(name, iter(known))
    if known:
        assert any(candidate in hint for candidate in known)
    for candidate in known:
        assert near(candidate, known).startswith(f"did you mean {candidate}")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("no end of file.\n  at byte 3"), "a.pt cannot be read: no end of file. Save it again."),
        (KeyError(), "a.pt cannot be read: KeyError. Save it again."),
        (
            RuntimeError("Error(s) in loading state_dict for Net:\n\tMissing key(s): b"),
            "a.pt cannot be read: Missing key(s): b. Save it again.",
        ),
    ],
)
def test_the_error_of_a_library_becomes_one_line(error, line):
    with pytest.raises(WrongCall) as caught, library_errors("a.pt cannot be read", "Save it again.", WrongCall):
        raise error
    assert str(caught.value) == line
    assert caught.value.__cause__ is error


def test_an_error_of_ones_own_passes_and_so_does_ctrl_c():
    for error in (C3Error("one's own."), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, library_errors("a.pt cannot be read", "Save it again."):
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (WrongCall, ValueError),
        (NotInstalled, ImportError),
        (CorruptFile, OSError),
        (NotReachable, OSError),
        (C3Error, Exception),
    ],
)
def test_a_kind_of_error_is_caught_as_the_python_error_that_it_is(kind, also):
    with pytest.raises(also) as caught:
        raise kind("what is wrong. What to do.")
    assert isinstance(caught.value, C3Error)
    assert str(caught.value) == "what is wrong. What to do."


@pytest.mark.parametrize(
    "error",
    [
        *(kind("wrong. Do this.") for kind in (C3Error, WrongCall, NotInstalled, CorruptFile, NotReachable)),
        BadItems([(0, BadItem("a.png", "is empty"))], torch.ones(1, 2)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_travels_between_processes(error):
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        found = pool.submit(_give, pickle.dumps(error)).result()
    assert (type(found), str(found)) == (type(error), str(error))
    assert vars(found).keys() == vars(error).keys()


def _give(error: bytes) -> C3Error:
    return pickle.loads(error)


def test_an_error_that_a_file_is_corrupt_is_not_taken_for_one_of_writing(tmp_path):
    with pytest.raises(CorruptFile, match="the source"), atomic_write(tmp_path / "out"):
        raise CorruptFile("the source is cut short. Make it again.")


def line_here() -> int:
    return sys._getframe(1).f_lineno


def test_a_warning_shows_the_line_of_the_user():
    line = line_here() + 2
    with pytest.warns(UserWarning, match="unit norm") as caught:
        unit_rows(torch.tensor([[0.0, 2.0]]), of="x")
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_a_library_between_frames_of_a_plugin_is_not_the_user():
    names = {"__name__": "c3_colors.reader", "warn": warn, "torch": torch}
    exec("@torch.inference_mode()\ndef read(): warn('too blue')\ndef load(): read()", names)
    line = line_here() + 2
    with pytest.warns(UserWarning, match="too blue") as caught:
        names["load"]()
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_a_thread_can_warn():
    with pytest.warns(UserWarning, match="too red"), ThreadPoolExecutor(1) as pool:
        pool.submit(warn, "too red").result()

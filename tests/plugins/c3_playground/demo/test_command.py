"""`c3 demo` refuses what it cannot do, before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3_playground.demo.command import NEEDS, demo
from c3core.errors import NotInstalled, WrongCall


@pytest.mark.parametrize("task", NEEDS)
def test_what_is_missing_is_told_at_once(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEEDS, task, (*NEEDS[task], "no_such_library"))
    with pytest.raises(NotInstalled, match=r"needs no_such_library. Install all that it shows: pip install "):
        demo(task, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_task_has_a_near_name(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="did you mean draw"):
        demo("drew", out=tmp_path)

"""Progress: a bar on a terminal, lines elsewhere, on standard error only."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

import c3core.runtime.progress as module
from c3core.runtime.progress import progress_bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines_every_ten_seconds_and_one_at_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("embedding", total=10_000) as bar:
        for _ in range(8):
            clock[0] += 4
            bar.advance(1000, loss=1.23456, bad=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "embedding: 3,000/10,000 (30 %), 250/s loss=1.23 bad=2, 28 s left",
        "embedding: 6,000/10,000 (60 %), 250/s loss=1.23 bad=2, 16 s left",
        "embedding: 8,000/10,000 (80 %), 250/s loss=1.23 bad=2, took 32 s",
    ]


def test_a_stream_without_a_total_shows_no_time_left(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("reading") as bar:
        clock[0] += 20
        bar.advance()
    assert capsys.readouterr().err == "reading: 1, 0.05/s\nreading: 1, 0.05/s, took 20 s\n"


def test_the_work_of_an_earlier_run_does_not_count_for_the_rate(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar("embedding", total=2000, done=1000) as bar:
        clock[0] += 10
        bar.advance(100)
    assert "1,100/2,000 (55 %), 10/s, 90 s left" in capsys.readouterr().err.replace("2 min", "90 s")


def test_finished_work_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("training", total=20, done=20):
        pass
    assert capsys.readouterr().err == "training: 20/20 (100 %)\n"


def test_the_last_line_comes_after_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(KeyError), progress_bar("work", total=2) as bar:
        bar.advance()
        raise KeyError
    assert "work: 1/2 (50 %)" in capsys.readouterr().err


def test_quiet_prints_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("work", total=2, quiet=True) as bar:
        clock[0] += 60
        bar.advance(2, loss=1.0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5340, "89 min"), (5400, "1 h 30 min")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert module.duration(seconds) == text


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, total: int | None) -> str:
    """What is drawn on a real terminal of 100 columns."""
    ours, theirs = pty.openpty()
    drawn = bytearray()

    def listen() -> None:
        try:
            while piece := os.read(ours, 4096):
                drawn.extend(piece)
        except OSError:  # the other end was closed
            return

    listener = threading.Thread(target=listen)
    listener.start()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    with open(theirs, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with progress_bar("training [b]gpt2[/b]", total=total) as bar:
            print("a line on standard output")
            bar.advance(2, loss=0.5)
    listener.join(5)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())


def test_a_terminal_gets_a_bar_with_rate_and_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = _on_a_terminal(monkeypatch, total=4)
    assert "training [b]gpt2[/b]" in drawn
    assert "━" in drawn
    assert "2/4" in drawn
    assert re.search(r"/s loss=0\.5", drawn)
    assert "-:--:--" in drawn or "0:00:00" in drawn
    assert "a line" not in drawn
    assert capsys.readouterr().out == "a line on standard output\n"
    assert "2/?" in _on_a_terminal(monkeypatch, total=None)


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar("work", total=1) as bar:
        bar.advance()
    assert sys.stderr.getvalue().startswith("work: 1/1 (100 %)")


def test_importing_it_does_not_import_rich() -> None:
    code = "import sys, c3core.runtime.progress; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

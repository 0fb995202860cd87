"""Deferring Ctrl-C until work can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from c3core.runtime.signals import deferred_interrupt


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore the signal
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_is_noted_and_the_second_raises(capfd: pytest.CaptureFixture[str]) -> None:
    with deferred_interrupt() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        assert capfd.readouterr().err == "\nstopping after this step; Ctrl-C again stops at once\n"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # afterwards all is as before
        signal.raise_signal(signal.SIGINT)


def test_it_is_noted_if_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> int:
        raise BrokenPipeError

    with deferred_interrupt() as stop:
        monkeypatch.setattr("os.write", broken)
        signal.raise_signal(signal.SIGINT)
        assert stop()


def test_another_handler_is_left_in_place() -> None:
    heard: list[Any] = []

    def theirs(*_: Any) -> None:
        heard.append("theirs")

    signal.signal(signal.SIGINT, theirs)
    with deferred_interrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop()
    assert heard == ["theirs"]
    assert signal.getsignal(signal.SIGINT) is theirs


def test_it_does_nothing_in_another_thread() -> None:
    found: list[bool] = []

    def work() -> None:
        with deferred_interrupt() as stop:
            found.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

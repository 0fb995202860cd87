"""A Java process that fails gives one error of one line, and leaves no process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from c3_metrics.java import find_java, java_process, package_file
from c3core.errors import C3Error, NotInstalled
from tests.helpers.fake_java import put_java

SLEEP = "sleep 3 < /dev/null > /dev/null 2>&1"  # when `java` is killed, this keeps none of its pipes


def ask(timeout: float = 60.0) -> str:
    """Send "question" to Java, and return the line that it answers."""
    with java_process("TEST", ["-jar", "a.jar"], advice="Try again.", timeout=timeout) as process:
        answer, _ = process.communicate("question\n")
        if not answer:
            raise ValueError("no answer")
    return answer


def test_text_goes_in_and_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_java(monkeypatch, tmp_path, 'read line; echo "$line $*"')
    assert find_java() == str(tmp_path / "java")
    assert ask() == "question -jar a.jar\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"{SLEEP}; echo late", "took longer than 0.5 s"),
        ("exit 1", "failed (no answer)"),
        ("printf 'no memory\\n\\tat Main.java\\n' >&2; exit 3", "failed (no answer; no memory)"),
    ],
)
def test_a_process_that_fails_is_one_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, why: str
) -> None:
    put_java(monkeypatch, tmp_path, script)
    with pytest.raises(C3Error) as error:
        ask(timeout=0.5 if "sleep" in script else 60)
    assert str(error.value) == f"the Java process of TEST {why}. Try again."
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_error_in_the_block_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_java(monkeypatch, tmp_path, f"echo wrong; {SLEEP}; touch {tmp_path / 'ended'}")
    with (
        pytest.raises(C3Error, match="could not convert"),
        java_process("TEST", [], advice="", timeout=60) as process,
    ):
        assert process.stdout is not None
        float(process.stdout.readline())
    assert not (tmp_path / "ended").exists()


def test_a_java_that_cannot_be_run_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_java(monkeypatch, tmp_path, "")
    (tmp_path / "java").write_bytes(b"no program")
    with pytest.raises(C3Error, match=r"cannot be run .*Try again\."):
        ask()


def test_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="TEST needs Java"):
        ask()


def test_a_file_that_the_package_lacks_names_what_to_install() -> None:
    with pytest.raises(NotInstalled, match=r'nothing\.jar.*pip install "c3core\[metrics\]"'):
        package_file("meteor/nothing.jar")

"""A path is checked before it is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from c3core.errors import C3Error, CorruptFile
from c3core.media.files import regular_file


def test_a_plain_file_gives_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a.bin")
    monkeypatch.chdir(tmp_path)
    assert regular_file("a.bin") == str(tmp_path / "a.bin")
    assert regular_file(Path("link")) == str(tmp_path / "link")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a writer for ever
    with pytest.raises(C3Error, match="pipe"):
        regular_file(tmp_path / "pipe")


def test_an_empty_file_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(CorruptFile, match="the file is empty"):
        regular_file(tmp_path / "empty.png")


def test_a_path_of_bytes_is_refused() -> None:
    with pytest.raises(C3Error, match="string"):
        regular_file(os.fsencode(__file__))  # type: ignore[arg-type]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(C3Error, match="permission"):
        regular_file(tmp_path / "secret")


def test_the_package_loads_no_codec_and_no_torch() -> None:
    heavy = "{'torch', 'PIL', 'soundfile', 'librosa', 'av', 'decord', 'numpy'}"
    code = f"import sys, c3core.media.files; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert done.stdout.strip() == "[]"

"""Files are written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from c3core.errors import C3Error
from c3core.io.files import atomic_write, printable, read_json, refuse_pickles, sha256, write_json, write_text

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def in_a_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@given(JSON)
def test_json_round_trip(folder, value):
    write_json(folder / "value.json", value)
    assert read_json(folder / "value.json") == value
    assert json.loads((folder / "value.json").read_bytes()) == value


@given(TEXTS)
def test_text_is_written_as_its_utf8_bytes(folder, text):
    write_text(folder / "text.txt", text)
    assert (folder / "text.txt").read_bytes() == text.encode("utf-8")


@given(st.binary(max_size=10_000))
def test_sha256_is_that_of_the_bytes(folder, data):
    (folder / "data").write_bytes(data)
    assert sha256(folder / "data") == hashlib.sha256(data).hexdigest()


def test_the_temporary_file_is_beside_the_file_and_is_removed(tmp_path):
    target = tmp_path / "new" / "folder" / "picture.png"
    with atomic_write(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"png")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["picture.png"]


def test_the_content_is_flushed_to_disk_before_the_rename(tmp_path, monkeypatch):
    target, calls, fsync, replace = tmp_path / "a.txt", [], os.fsync, os.replace

    def recorded_fsync(descriptor: int) -> None:
        calls.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def recorded_replace(source: Path, destination: Path) -> None:
        calls.append(("replace", source.stat().st_ino))
        replace(source, destination)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    write_text(target, "whole")
    written = target.stat().st_ino  # the renamed file is the one that was flushed
    assert calls == [("fsync", written), ("replace", written)]


def test_an_error_in_the_block_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def write_half() -> None:
        with atomic_write(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_open_reader_of_the_old_file_reads_it_whole(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old and long")
    with open(target, encoding="utf-8") as reading:
        with atomic_write(target) as temporary:
            temporary.write_text("new")
            written = temporary.stat().st_ino
        assert reading.read() == "old and long"
    assert target.stat().st_ino == written  # renamed, not copied
    assert target.read_text() == "new"


KILLED = """
import os, signal, sys
from c3core.io.files import atomic_write
with atomic_write(sys.argv[1]) as temporary:
    handle = open(temporary, "w")
    handle.write("half")
    handle.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_while_writing_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    assert in_a_process(KILLED, target).returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    write_text(target, "new")
    assert target.read_text() == "new"


LIMITED = """
import resource, sys
from c3core.errors import C3Error
from c3core.io.files import atomic_write, write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    if sys.argv[2] == "text":
        write_text(sys.argv[1], "x" * 100_000)
    else:
        import torch
        from safetensors.torch import save_file
        with atomic_write(sys.argv[1]) as temporary:
            save_file({"x": torch.zeros(100_000)}, temporary)
except C3Error as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system cannot limit the size of a file")
@pytest.mark.parametrize("kind", ["text", "safetensors"])
def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path, kind):
    target = tmp_path / "a.safetensors"
    save_file({"x": torch.ones(2)}, target)
    run = in_a_process(LIMITED, target, kind)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"cannot write {target}: ")
    assert "File too large" in run.stdout
    assert len(run.stdout.splitlines()) == 1
    assert torch.equal(load_file(target)["x"], torch.ones(2))
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(C3Error, match=f"cannot write {tmp_path}/file/a.txt: (File exists|Not a directory)"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_a_folder_in_place_of_the_file_is_one_line(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(C3Error, match="cannot write"):
        write_text(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_an_unwritable_folder_is_one_line():
    with pytest.raises(C3Error, match=r"cannot write /proc/self/a.txt: "):
        write_text("/proc/self/a.txt", "x")


def test_a_folder_without_permission_is_one_line():
    # Not under tmp_path, which only its owner may enter: root takes on another user's rights here.
    folder = Path(tempfile.mkdtemp())
    try:
        write_text(folder / "a.txt", "old")
        folder.chmod(0o555)
        if user_is_root := os.geteuid() == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(C3Error, match=r"a.txt: Permission denied. Choose another folder\.$"):
                write_text(folder / "a.txt", "new")
        finally:
            if user_is_root:
                os.seteuid(0)
        assert (folder / "a.txt").read_text() == "old"
        assert len(list(folder.iterdir())) == 1
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b"1" * 10_000, b'{"a": 1} {'],
    ids=["empty", "truncated", "not-utf8", "nested", "digits", "more"],
)
def test_a_file_that_is_not_json_is_one_line(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(C3Error, match=r"a.json cannot be read as JSON \(.*make it again") as caught:
        read_json(tmp_path / "a.json")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_or_a_folder_is_one_line(tmp_path):
    with pytest.raises(C3Error, match=r"a.json is missing"):
        read_json(tmp_path / "a.json")
    with pytest.raises(C3Error, match="cannot be read as JSON"):
        read_json(tmp_path)


def test_a_file_name_that_is_not_utf_8_becomes_printable():
    assert printable("ä 日本") == "ä 日本"
    assert printable("a\udcff.png") == "a\\udcff.png"


def test_pickles_are_refused_unless_they_are_beside_safetensors(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "model.bin").touch()
    for lone in (False, True):
        with pytest.raises(C3Error, match=r"model\.bin looks like pickled weights"):
            refuse_pickles(tmp_path, lone=lone)
    (tmp_path / "deep" / "model.safetensors").touch()
    refuse_pickles(tmp_path, lone=True)
    with pytest.raises(C3Error, match="pickled"):
        refuse_pickles(tmp_path)


@given(JSON, st.data())
def test_truncated_json_is_refused(folder, value, data):
    text = json.dumps([value]).encode()
    (folder / "cut.json").write_bytes(text[: data.draw(st.integers(0, len(text) - 1))])
    with pytest.raises(C3Error):
        read_json(folder / "cut.json")

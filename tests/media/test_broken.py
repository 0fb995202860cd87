"""Broken files: none crashes or hangs a reader, and none gives a wrong item without a word."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")
pytest.importorskip("soundfile")

Outcome = dict[str, Any]
CHECKED = ("flac", "png")  # formats with a checksum over every byte that matters


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """What reading each file of the corpus gave, in a process of its own, which a decoder that crashes takes down."""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).parents[1] / "helpers" / "broken.py"),
            str(tmp_path_factory.mktemp("corpus")),
        ],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert lines, ran.stderr
    last = f"{lines[-1]['case']} ended the process with {ran.returncode}: {ran.stderr[-2000:]}"
    assert ran.returncode == 0, last
    found = [line for line in lines if len(line) > 1]
    assert 2 * len(found) == len(lines), last
    return found


def of(outcomes: list[Outcome], *kinds: str) -> list[tuple[str, str, Outcome]]:
    """(medium, name of the file, outcome) of the cases of some kinds."""
    return [(o["case"][0], Path(o["case"][2]).name, o) for o in outcomes if o["case"][1] in kinds]


def test_the_corpus_is_large_and_covers_each_kind(outcomes: list[Outcome]) -> None:
    assert len(outcomes) >= 500
    kinds = collections.Counter((o["case"][0], o["case"][1]) for o in outcomes)
    for medium in ("image", "audio", "video"):
        assert kinds[medium, "cut"] >= 70
        assert kinds[medium, "flipped"] >= 50
        for kind in ("whole", "renamed", "alien", "noise", "special"):
            assert kinds[medium, kind], (medium, kind)


def test_whole_files_are_read_whatever_their_name(outcomes: list[Outcome]) -> None:
    assert not [(m, name, o) for m, name, o in of(outcomes, "whole", "renamed") if not (o.get("good") and o["same"])]


def test_each_refusal_gives_one_plain_reason(outcomes: list[Outcome]) -> None:
    reasons = [o["why"] for o in outcomes if "why" in o]
    assert len(reasons) > 200
    assert not [why for why in reasons if not why.strip() or "Traceback" in why or "\n" in why.strip()]


@pytest.mark.parametrize("kind", ["special", "noise", "alien"])
def test_what_is_no_file_of_the_medium_is_refused(outcomes: list[Outcome], kind: str) -> None:
    assert not [(medium, name, o) for medium, name, o in of(outcomes, kind) if "why" not in o]


def test_special_files_are_refused_for_what_they_are(outcomes: list[Outcome]) -> None:
    reasons = {(medium, o["case"][2]): o["why"] for medium, _, o in of(outcomes, "special")}
    told = {"directory.png": "directory", "empty.wav": "empty", "broken-link.mp4": "link", "pipe.jpg": "pipe"}
    told |= {"socket.ogg": "socket", "zero": "device", "missing": "no such file", "loop.mp4": "cannot be opened"}
    for name, word in told.items():
        whys = [why for (_, path), why in reasons.items() if Path(path).name == name]
        assert len(whys) == 3, name
        assert all(word in why for why in whys), (name, whys)


def test_a_truncated_picture_is_refused_or_lacks_nothing(outcomes: list[Outcome]) -> None:
    cut = [(name, o) for medium, name, o in of(outcomes, "cut") if medium == "image"]
    assert not [(name, o) for name, o in cut if "why" not in o and not o["same"]]
    assert sum("why" in o for _, o in cut) > 0.9 * len(cut)


def test_a_truncated_sound_is_refused_or_gives_the_part_that_is_there(outcomes: list[Outcome]) -> None:
    cut = [(name, o) for medium, name, o in of(outcomes, "cut") if medium == "audio"]
    assert not [(name, o) for name, o in cut if "why" not in o and not o["part"]]
    assert not [(name, o) for name, o in cut if "why" not in o and "flac" in name]


def test_a_truncated_video_is_refused_or_gives_the_part_that_is_there(outcomes: list[Outcome]) -> None:
    cut = [(name, o) for medium, name, o in of(outcomes, "cut") if medium == "video"]
    assert not [(name, o) for name, o in cut if "why" not in o and not (o["part"] and o["length"] > 5.4)]


def test_flipped_bytes_never_give_an_item_of_another_kind(outcomes: list[Outcome]) -> None:
    assert not [(name, o) for _, name, o in of(outcomes, "flipped") if "why" not in o and not o["good"]]


def test_flipped_bytes_are_seen_where_the_format_has_checksums(outcomes: list[Outcome]) -> None:
    flipped = [(name, o) for _, name, o in of(outcomes, "flipped") if name.endswith(CHECKED)]
    assert len(flipped) >= 24
    assert not [(name, o) for name, o in flipped if "why" not in o and not o["same"]]

"""No broken file crashes or hangs a reader, and none silently gives a wrong item."""

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
pytest.importorskip("librosa")

ROOT = Path(__file__).parents[2]
CHECKED = ("flac", "png")  # formats with a checksum over every byte that matters
Outcome = dict[str, Any]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """The outcome of reading each file of the corpus, with its `medium`, `kind`, `path` and `name`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.broken", str(tmp_path_factory.mktemp("corpus"))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    last = f"{lines[-1]['case']} ended the process with {done.returncode}: {done.stderr[-2000:]}"
    assert done.returncode == 0, last
    read = [line for line in lines if len(line) > 1]
    assert 2 * len(read) == len(lines), last
    for line in read:
        line["medium"], line["kind"], line["path"], _ = line["case"]
        line["name"] = Path(line["path"]).name
    return read


def taken(outcomes: list[Outcome], kind: str, medium: str | None = None) -> list[Outcome]:
    """The outcomes of a kind that were not refused."""
    return [one for one in outcomes if one["kind"] == kind and medium in (None, one["medium"]) and "why" not in one]


def test_the_corpus_is_large_and_covers_each_kind(outcomes: list[Outcome]) -> None:
    kinds = collections.Counter((one["medium"], one["kind"]) for one in outcomes)
    for medium in ("image", "audio", "video"):
        assert kinds[medium, "cut"] >= 70
        assert kinds[medium, "flipped"] >= 50
        for kind in ("whole", "renamed", "other medium", "noise", "special"):
            assert kinds[medium, kind], (medium, kind)


@pytest.mark.parametrize("kind", ["whole", "renamed"])
def test_whole_files_are_read_whatever_their_name(outcomes: list[Outcome], kind: str) -> None:
    read = taken(outcomes, kind)
    assert len(read) == sum(one["kind"] == kind for one in outcomes)
    assert not [one for one in read if not (one["valid"] and one["same"])]


def test_each_refusal_gives_a_reason_of_one_line(outcomes: list[Outcome]) -> None:
    reasons = [one["why"] for one in outcomes if "why" in one]
    assert len(reasons) > 200
    assert not [why for why in reasons if not why.strip() or "Traceback" in why or "\n" in why.strip()]


@pytest.mark.parametrize("kind", ["special", "noise", "other medium"])
def test_only_files_of_the_medium_are_read(outcomes: list[Outcome], kind: str) -> None:
    assert not taken(outcomes, kind)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("directory.png", "directory"),
        ("empty.wav", "empty"),
        ("broken-link.mp4", "link"),
        ("pipe.jpg", "pipe"),
        ("socket.ogg", "socket"),
        ("zero", "device"),
        ("missing", "no such file"),
        ("loop.mp4", "cannot be opened"),
    ],
)
def test_the_reason_names_the_kind_of_a_special_file(outcomes: list[Outcome], name: str, why: str) -> None:
    reasons = [one["why"] for one in outcomes if one["kind"] == "special" and one["name"] == name]
    assert len(reasons) == 3
    assert all(why in reason for reason in reasons), reasons


def test_a_truncated_picture_is_refused_or_lacks_nothing(outcomes: list[Outcome]) -> None:
    read = taken(outcomes, "cut", "image")
    assert not [one for one in read if not one["same"]]
    assert len(read) < 0.1 * sum(one["kind"] == "cut" and one["medium"] == "image" for one in outcomes)


def test_a_truncated_sound_is_refused_or_gives_the_part_that_is_there(outcomes: list[Outcome]) -> None:
    assert not [one for one in taken(outcomes, "cut", "audio") if not one["part"] or "flac" in one["name"]]


def test_a_truncated_video_is_refused_or_gives_the_part_that_is_there(outcomes: list[Outcome]) -> None:
    assert not [one for one in taken(outcomes, "cut", "video") if not (one["part"] and one["seconds"] > 5.4)]


def test_flipped_bits_never_give_an_invalid_item(outcomes: list[Outcome]) -> None:
    assert not [one for one in taken(outcomes, "flipped") if not one["valid"]]


def test_flipped_bits_are_noticed_if_the_format_has_checksums(outcomes: list[Outcome]) -> None:
    checked = [one for one in outcomes if one["kind"] == "flipped" and one["name"].endswith(CHECKED)]
    assert len(checked) >= 24
    assert not [one for one in checked if "why" not in one and not one["same"]]

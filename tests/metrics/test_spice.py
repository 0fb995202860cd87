"""SPICE: left out with a plain reason where its needs are not met, else what the package's own wrapper gives."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

pytest.importorskip("pycocoevalcap")

from c3core.errors import C3Error
from c3core.metrics.captions import caption_metrics
from c3core.metrics.spice import JAR, MODELS, spice
from c3core.metrics.tokenizer import java, package_file

TRUTH = {0: ["a man rides a brown horse", "someone on a horse"], 1: ["two dogs run"]}
RESULT = {0: ["a man on a brown horse"], 1: ["a cat"]}
COMPLETE = java() is not None and (package_file(JAR).parent / MODELS).is_file()


@pytest.mark.skipif(not COMPLETE, reason="needs Java and Stanford's parsing models")
def test_it_is_that_of_the_package() -> None:
    from pycocoevalcap.spice.spice import Spice

    expected, _ = Spice().compute_score(TRUTH, RESULT)
    assert spice(TRUTH, RESULT, 600) == pytest.approx(expected, abs=1e-9)


@pytest.mark.skipif(java() is None or COMPLETE, reason="needs Java without the models")
def test_without_the_models_the_command_that_fetches_them_is_said() -> None:
    found = caption_metrics(["a dog"], [["a dog"]], metrics=["spice", "bleu1"], tokenizer="python")
    assert "python -m pycocoevalcap.spice.get_stanford_models" in found.left_out["spice"]
    assert set(found.scores) == {"bleu1"}


def test_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(C3Error, match="no `java` was found"):
        spice(TRUTH, RESULT, 60)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exec sleep 60", "longer than 0.5 s"),
        ("exit 1", "failed"),
        ("true", "failed"),  # it wrote nothing
        ("echo '[]' > $6", "scored 0 of 2"),
        ("echo broken > $6", "failed"),
    ],
)
def test_a_process_that_fails_is_one_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, why: str
) -> None:
    with_models(monkeypatch, tmp_path, script)
    with pytest.raises(C3Error, match=why):
        spice(TRUTH, RESULT, 0.5 if "sleep" in script else 60)


def test_the_mean_of_the_items_f_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    items = '[{"image_id": 0, "scores": {"All": {"f": 0.5}}}, {"image_id": 1, "scores": {"All": {"f": 0.0}}}]'
    with_models(monkeypatch, tmp_path, f"cp $4 {tmp_path}/given.json; echo '{items}' > $6")
    assert spice(TRUTH, RESULT, 60) == 0.25
    assert '"test": "a man on a brown horse"' in (tmp_path / "given.json").read_text()


def with_models(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A `java` that runs a script, and a folder with the jar and the models."""
    (folder / "java").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "java").chmod((folder / "java").stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (folder / MODELS).parent.mkdir()
    (folder / MODELS).touch()
    monkeypatch.setattr("c3core.metrics.spice.package_file", lambda name: folder / Path(name).name)

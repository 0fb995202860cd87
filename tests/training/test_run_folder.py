"""A run's folder: an equal recipe continues it, another one is refused, and a finished run is known."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.errors import WrongCall
from c3core.io.files import read_json
from c3core.training.run_folder import begin_run, differences, is_finished, mark_finished, truncate_metrics

RECIPE = {"training": {"steps": 6, "betas": (0.9, 0.99)}, "seed": 0}


def test_a_new_run_is_described(tmp_path: Path) -> None:
    begin_run(tmp_path, RECIPE, precision="float32")
    described = read_json(tmp_path / "run.json")
    assert described["recipe"]["training"]["steps"] == 6
    assert described["versions"]["torch"] == version("torch")
    assert described["precision"] == "float32"
    begin_run(tmp_path, RECIPE)


def test_another_recipe_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    begin_run(tmp_path, RECIPE)
    with pytest.raises(WrongCall, match=r"another recipe: training\.steps was 6\. Choose another folder"):
        begin_run(tmp_path, {**RECIPE, "training": {"steps": 7, "betas": (0.9, 0.99)}})


@pytest.mark.parametrize("content", ["{}", "[]", '{"recipe": 3}'])
def test_another_file_of_that_name_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(WrongCall, match="another recipe"):
        begin_run(tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("before", "asked", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b was 1"]),
        ({}, {"a": 1}, ["a is new"]),
        ({"a": None}, {}, ["a was None"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a differs"]),
        ({"a": "x" * 41}, {"a": "y"}, ["a differs"]),
    ],
)
def test_differences_are_named_by_their_fields(before: Any, asked: Any, expected: list[str]) -> None:
    assert differences(before, asked) == expected


def test_a_run_is_finished_while_its_output_and_recipe_are_the_same(tmp_path: Path) -> None:
    output, run = tmp_path / "pipeline.json", tmp_path / "run"
    assert not is_finished(run, RECIPE, output)
    output.write_text("whole")
    assert not is_finished(run, RECIPE, output)
    mark_finished(run, RECIPE, output)
    assert is_finished(run, RECIPE, output)
    with pytest.raises(WrongCall, match=r"another recipe: seed was 0\. Choose another folder"):
        is_finished(run, {**RECIPE, "seed": 1}, output)
    output.write_text("of another run")
    assert not is_finished(run, RECIPE, output)
    output.unlink()
    assert not is_finished(run, RECIPE, output)


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 50), st.integers(0, 40))
def test_metrics_end_at_the_checkpoint_and_before_a_torn_line(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], step: int, torn: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    steps.sort()
    text = "".join(json.dumps({"step": one, "loss": 0.5}) + "\n" for one in steps)
    (folder / "metrics.jsonl").write_text(text + '{"step": 51, "loss": 0.25'[:torn])
    truncate_metrics(folder, step)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [one for one in steps if one <= step]

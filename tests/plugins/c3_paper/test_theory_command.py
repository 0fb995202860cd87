"""`c3 theory` lists the studies, prints the figures of one beside the paper's, and draws its picture."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from c3_paper.theory_command import STUDIES, theory
from c3core.errors import WrongCall


def test_without_a_name_it_lists_the_studies(capsys):
    theory(json=True)
    assert [study["name"] for study in json.loads(capsys.readouterr().out)] == list(STUDIES)


def test_it_prints_a_table_and_draws_the_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    theory("gap", out=tmp_path / "new", steps=2, quiet=True)
    shown = capsys.readouterr().out
    assert "1.21" in shown
    assert f"drew {tmp_path / 'new' / 'gap.png'}" in shown
    with Image.open(tmp_path / "new" / "gap.png") as picture:
        assert picture.width > 1000


def test_it_prints_one_json_document(capsys):
    theory("gap", steps=2, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["picture"]) == ("gap", None)
    assert found["rows"][0]["paper"] == 1.21
    assert found["curves"]["steps"] == [0, 1, 2]


def test_the_seed_counts(capsys):
    figures = []
    for seed in (0, 0, 1):
        theory("gap", steps=1, seed=seed, json=True)
        figures.append(json.loads(capsys.readouterr().out)["rows"])
    assert figures[0] == figures[1] != figures[2]


def test_it_refuses_an_unknown_study_and_options_of_another():
    with pytest.raises(WrongCall, match="gradient"):
        theory("gradiant")
    with pytest.raises(WrongCall, match="--steps"):
        theory("gradient", steps=5)

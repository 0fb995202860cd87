"""The scores of painters, and the command that prints them."""

from __future__ import annotations

import json

import pytest

from c3_playground.painters import measure
from c3_playground.painters.factor_network import load_reader
from c3_playground.painters.scores import bounds
from c3_playground.painters.shipped import painter
from c3_playground.world import World

pytest.importorskip("diffusers", reason="needs the extra diffusion")


def test_true_pictures_score_best_and_those_of_other_sentences_by_chance() -> None:
    found = bounds(World().items("image", "test", 100), load_reader(), painter("diffusion", "c3"))
    true, others = found.values()
    assert true["factors"] > 99
    assert true["r1"] > 90
    assert true["exact"] > 90  # a few sentences leave an object out
    assert 10 < others["factors"] < 60
    assert others["r1"] < 10


def test_the_command_prints_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    measure.main(sentences=4, decoder=["stylegan"], method=["c1", "c3"], best_of=2, json=True)
    said = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN is no JSON
    assert [row.get("method") for row in said["rows"]] == ["C¹", "C³", "", ""]
    assert (said["sentences"], said["best_of"]) == (4, 2)
    assert {"factors", "shape", "color", "place", "r1", "inception"} <= set(said["rows"][0])
    measure.main(sentences=4, first=4, decoder=["stylegan"], method=["c3"], json=True)
    others = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert others["first"] == 4
    assert others["rows"][-1]["inception"] != said["rows"][-1]["inception"]  # of other true pictures
    measure.main(sentences=4, decoder=["stylegan"], method=["c3"])
    assert "factors" in capsys.readouterr().out

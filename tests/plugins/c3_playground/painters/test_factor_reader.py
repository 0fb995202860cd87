"""The command that trains the factor reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from c3_playground.painters import factor_reader
from c3_playground.painters.factor_network import WEIGHTS
from c3_playground.towers.places import PlacesNet
from c3core.errors import WrongCall


def test_it_is_trained_by_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factor_reader.main(tmp_path, steps=3, size=8, tested=50)
    assert (tmp_path / "factor_reader.safetensors").stat().st_size == WEIGHTS.stat().st_size
    assert "inception score" in capsys.readouterr().out
    PlacesNet().load_state_dict(load_file(tmp_path / "places.safetensors"))


def test_another_seed_does_not_go_on_with_a_network(tmp_path: Path) -> None:
    factor_reader.main(tmp_path, seed=0, steps=2, size=8, tested=5)
    with pytest.raises(WrongCall):
        factor_reader.main(tmp_path, seed=1, steps=2, size=8, tested=5)

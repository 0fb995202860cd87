"""Each preset against a case worked by hand on two dimensions: noise is put in the place of the generator's."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from c3core.bridges import corrupt, list_presets, preset
from c3core.errors import WrongCall

TEXT = torch.tensor([[1.0, 0.0], [0.6, 0.8]])  # mean (0.8, 0.4), standard deviation (0.2, 0.4)
IMAGE = torch.tensor([[0.0, 1.0], [0.0, -1.0]])  # mean (0, 0), standard deviation (0, 1)
E_TEXT, E_IMAGE = torch.tensor([[0.8, 0.6]]), torch.tensor([[0.6, 0.8]])
NOISE = torch.tensor([[3.0, 4.0]])
STD = math.sqrt(0.016)


def unit(*vector: float) -> list[float]:
    length = math.hypot(*vector)
    return [value / length for value in vector]


def softmax(*values: float) -> list[float]:
    exp = [math.exp(value - max(values)) for value in values]
    return [value / sum(exp) for value in exp]


# The image at (0.6, 0.8) has products 0.6 and 1 with the two texts.
FAR, NEAR = softmax(60.0, 100.0)
# The gap from text to image is (−0.8, −0.4): noise (3, 4) less its part along it, (4, 2), is (−1, 2).
# The texts differ along v = (1, −2)/√5: their covariance has rank one there and, scaled to a mean variance of one a
# dimension, the eigenvalue 2. Its root turns (3, 4) into √2 ((3, 4)·v) v = −√2 (1, −2).
ALONG = -0.08 * math.sqrt(2)
EXPECTED = {
    # name: (text at train, text at use, image at use)
    "c1": (unit(0.8, 0.6), unit(0.8, 0.6), unit(0.6, 0.8)),
    "c2_1": (unit(0.0, 0.2), unit(0.0, 0.2), unit(0.6, 0.8)),
    "c2_2": (unit(0.8 + 3 * STD, 0.6 + 4 * STD), unit(0.8, 0.6), unit(0.6, 0.8)),
    "c2_2_span": (unit(0.8 - STD, 0.6 + 2 * STD), unit(0.8, 0.6), unit(0.6, 0.8)),
    "c3": (unit(3 * STD, 0.2 + 4 * STD), unit(0.0, 0.2), unit(0.6, 0.8)),
    "c3_imagebind": ([0.3, 0.6], [0.0, 0.2], [0.6, 0.8]),
    "capdec": (unit(0.8 + 3 * STD, 0.6 + 4 * STD), unit(0.8, 0.6), unit(0.6, 0.8)),
    "capdec_offset": (unit(0.8 + 3 * STD, 0.6 + 4 * STD), unit(0.8, 0.6), unit(1.4, 1.2)),
    "lafite_g": (unit(0.25 * 0.8 + 0.75 * 0.6, 0.25 * 0.6 + 0.75 * 0.8), unit(0.8, 0.6), unit(0.6, 0.8)),
    "decap": (unit(0.8, 0.6), unit(0.8, 0.6), unit(FAR + 0.6 * NEAR, 0.8 * NEAR)),
    "close": (unit(0.8 + ALONG, 0.6 - 2 * ALONG), unit(0.8, 0.6), unit(1.4, 1.2)),
    # The images do not vary in the first dimension, which keeps its scale.
    "mean_std": (unit(3 * STD, 0.2 + 4 * STD), unit(0.0, 0.2), unit(0.6, 0.8 * 0.4)),
}


def test_every_preset_has_a_case() -> None:
    assert [row["name"] for row in list_presets()] == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_preset_by_hand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(f: Tensor, generator: torch.Generator | None) -> Tensor:
        return NOISE.to(f)

    monkeypatch.setattr(corrupt, "draw", draw)
    bridge = preset(name).fit({"text": TEXT, "image": IMAGE}, target="text")
    train, text, image = EXPECTED[name]
    assert bridge.train_condition(E_TEXT, "text")[0].tolist() == pytest.approx(train, abs=1e-6)
    assert bridge.condition(E_TEXT, "text")[0].tolist() == pytest.approx(text, abs=1e-6)
    assert bridge.condition(E_IMAGE, "image")[0].tolist() == pytest.approx(image, abs=1e-6)


def test_the_defaults_of_the_papers() -> None:
    assert preset("capdec").corrupt.config() == {"kind": "gaussian", "std": pytest.approx(0.12649110640673517)}
    assert preset("c3").corrupt.config() == {"kind": "gaussian", "std": "auto"}
    assert preset("c3_imagebind").corrupt.config() == {"kind": "gaussian", "std": 0.1}
    assert preset("decap").collapse.config() == {"kind": "memory", "size": 50_000, "temperature": 0.01}
    assert preset("lafite_g").corrupt.config() == {"kind": "lafite", "level": 0.75}
    assert preset("c1").needs == frozenset()
    assert preset("c3").needs == {"mean"}
    assert preset("mean_std").needs == {"mean", "variance"}
    assert preset("close").needs == {"mean", "covariance"}


def test_formulas_print_each_option_with_its_default() -> None:
    for row in list_presets():
        bridge = preset(row["name"])
        options = {"std": "noise_std", "level": "noise_level", "temperature": "memory_temperature"}
        for part in (bridge.collapse, bridge.corrupt):
            for field, option in options.items():
                if field in part.config():
                    value = part.config()[field]
                    assert f"= {value if value == 'auto' else f'{value:.4g}'} ({option})" in row["formula"]


def test_overrides_set_only_their_part() -> None:
    bridge = preset("c3", noise_std=0.2, rescale="none")
    assert bridge.corrupt.config() == {"kind": "gaussian", "std": 0.2}
    assert bridge.rescale.config() == {"kind": "none"}
    assert preset("c3").corrupt.config()["std"] == "auto"  # the table is as it was
    assert preset("capdec", noise_std="auto").corrupt.config()["std"] == "auto"
    assert preset("lafite_g", noise_level=0.1).corrupt.config()["level"] == 0.1
    decap = preset("decap", memory_size=10, memory_temperature=0.5)
    assert decap.collapse.config() == {"kind": "memory", "size": 10, "temperature": 0.5}


@pytest.mark.parametrize(
    ("name", "overrides", "named"),
    [
        ("c33", {}, "c33"),
        ("c3", {"noise_sdt": 0.1}, "did you mean noise_std"),
        ("c1", {"noise_std": 0.1}, "noise_std"),
        ("c3", {"memory_size": 5}, "memory_size"),
        ("c3", {"noise_std": -1.0}, "noise_std=-1"),
        ("c3", {"noise_std": float("nan")}, "noise_std=nan"),
        ("c3", {"noise_std": "much"}, "noise_std='much'"),
        ("lafite_g", {"noise_level": 1.5}, "noise_level=1.5"),
        ("decap", {"memory_size": 0}, "memory_size=0"),
        ("decap", {"memory_temperature": 0}, "memory_temperature=0"),
        ("c3", {"rescale": "units"}, "did you mean unit"),
    ],
)
def test_wrong_names_and_values_are_refused(name: str, overrides: dict[str, object], named: str) -> None:
    with pytest.raises(WrongCall, match=named):
        preset(name, **overrides)


def test_the_table_costs_no_torch() -> None:
    code = "import sys; from c3core.bridges import list_presets; list_presets(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

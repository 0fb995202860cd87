"""The named methods of the literature as collapse, corrupt and rescale. Importing this costs no torch.

ē is the mean of the modality at hand, ē_t and σ_t mean and spread of the target (what the decoder is trained on),
unit(f) is f / ‖f‖. ε stands in a formula for the noise that is added while training, and is absent at use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from c3core.bridges.part import CAPDEC_STD
from c3core.errors import WrongCall, near

if TYPE_CHECKING:
    from c3core.bridges.c3 import C3Bridge

CLOSE_STD = 0.08  # in the middle of CLOSE's 0.04 to 0.12

Config = dict[str, Any]
_NONE, _MEAN, _SHIFT, _UNIT = {"kind": "none"}, {"kind": "mean"}, {"kind": "shift"}, {"kind": "unit"}


def _gaussian(std: float) -> Config:
    return {"kind": "gaussian", "std": std}


@dataclass(frozen=True)
class Preset:
    """One row: a name, the formula of the condition, where it comes from, and the parts."""

    name: str
    formula: str
    paper: str
    collapse: Config
    corrupt: Config
    rescale: Config

    def options(self) -> list[str]:
        """The options of `preset` that this row has a part for."""
        return [option for option, (part, field) in _OPTIONS.items() if field in getattr(self, part)]


_OPTIONS = {  # option of `preset`: (part, field of the part)
    "noise_std": ("corrupt", "std"),
    "noise_level": ("corrupt", "level"),
    "memory_size": ("collapse", "size"),
    "memory_temperature": ("collapse", "temperature"),
    "rescale": ("rescale", "kind"),
}

_C3 = "Zhang et al. 2024 (C3)"
_ROWS = (
    Preset("c1", "unit(e)", f"{_C3}, C¹", _NONE, _NONE, _UNIT),
    Preset("c2_1", "unit(e − ē)", f"{_C3}, C²₁", _MEAN, _NONE, _UNIT),
    Preset("c2_2", "unit(e + ε), ε ~ N(0, 0.016 I)", f"{_C3}, C²₂", _NONE, _gaussian(CAPDEC_STD), _UNIT),
    Preset(
        "c2_2_span", "unit(e + ε − (ε·ĝ)ĝ), ε ~ N(0, 0.016 I), ĝ along the gap", f"{_C3}, Table 7",
        _NONE, {"kind": "span", "std": CAPDEC_STD}, _UNIT,
    ),
    Preset("c3", "unit(e − ē + ε), ε ~ N(0, 0.016 I)", f"{_C3}, C³, COCO code", _MEAN, _gaussian(CAPDEC_STD), _UNIT),
    Preset(
        "c3_imagebind", "e − ē + ε, ε ~ N(0, 0.1² I)", f"{_C3}, Algorithm 1, ImageBind code",
        _MEAN, _gaussian(0.1), _NONE,
    ),
    Preset(
        "capdec", "unit(e + ε), ε ~ N(0, 0.016 I)", "Nukrai et al. 2022 (CapDec)", _NONE, _gaussian(CAPDEC_STD), _UNIT
    ),
    Preset(
        "capdec_offset", "unit(e − ē + ē_t + ε), ε ~ N(0, 0.016 I)", "Nukrai et al. 2022 (CapDec), centre offset",
        _SHIFT, _gaussian(CAPDEC_STD), _UNIT,
    ),
    Preset(
        "lafite_g", "unit(0.25 e + 0.75 ε/‖ε‖), ε ~ N(0, I)", "Zhou et al. 2022 (LAFITE)",
        _NONE, {"kind": "lafite", "level": 0.75}, _UNIT,
    ),
    Preset(
        "decap", "unit(softmax(100 e Tᵀ) T), T a memory of target embeddings", "Li et al. 2023 (DeCap)",
        {"kind": "memory", "size": 50_000, "temperature": 0.01}, _NONE, _UNIT,
    ),
    Preset(
        "close", "unit(e − ē + ē_t + ε), ε ~ N(0, 0.08² Σ d/tr Σ), Σ the target's covariance",
        "Gu et al. 2023 (CLOSE)", _SHIFT, {"kind": "covariance", "std": CLOSE_STD}, _UNIT,
    ),
    Preset(
        "mean_std", "unit((e − ē) σ_t/σ + ε), ε ~ N(0, 0.016 I)", "Fonseca et al. 2025 (TOMCap)",
        {"kind": "mean_std"}, _gaussian(CAPDEC_STD), _UNIT,
    ),
)  # fmt: skip
PRESETS = {row.name: row for row in _ROWS}


def list_presets() -> list[dict[str, str]]:
    """Name, formula and paper of every preset.

    >>> list_presets()[4]
    {'name': 'c3', 'formula': 'unit(e − ē + ε), ε ~ N(0, 0.016 I)', 'paper': 'Zhang et al. 2024 (C3), C³, COCO code'}
    """
    return [{"name": row.name, "formula": row.formula, "paper": row.paper} for row in _ROWS]


def preset(name: str, **overrides: Any) -> C3Bridge:
    """The bridge of a preset, not fitted yet.

    `overrides`: `noise_std` (standard deviation per dimension, in units of a unit embedding), `noise_level` (LAFITE's
    mix, 0 to 1), `memory_size`, `memory_temperature`, `rescale` ("none", "unit", "native"). An unknown name, and an
    option that the preset has no part for, is a `C3Error`.

    >>> preset("c3", noise_std=0.1).corrupt
    Gaussian(std=0.1)
    """
    if name not in PRESETS:
        raise WrongCall(f"no bridge is called {name!r}: {near(name, PRESETS)}")
    row = PRESETS[name]
    parts: dict[str, Any] = {"collapse": dict(row.collapse), "corrupt": dict(row.corrupt), "rescale": dict(row.rescale)}
    for option, value in overrides.items():
        if option not in row.options():
            what = "has no part for the option" if option in _OPTIONS else "has no option"
            raise WrongCall(f"bridge {name!r} {what} {option!r}: {near(option, row.options())}")
        part, field = _OPTIONS[option]
        if option == "rescale":
            parts[part] = value
        else:
            parts[part][field] = value
    from c3core.bridges.c3 import C3Bridge

    try:
        return C3Bridge(**parts, name=name)
    except WrongCall as error:  # it names the part, which the caller did not
        given = ", ".join(f"{option}={value!r}" for option, value in overrides.items())
        raise WrongCall(f"bridge {name!r} with {given}: {error}") from None

"""Methods of the literature as presets: a collapse, a corrupt and a rescale. Imports no torch.

In the formulas, ē and s are the mean and the spread of the modality at hand, ē_t and s_t those of the target (the
decoder's modality), and unit(f) is f / ‖f‖. The noise ε is added only while training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from c3core.bridges.part import AUTO, CAPDEC_STD
from c3core.errors import WrongCall, near

if TYPE_CHECKING:
    from c3core.bridges.c3 import C3Bridge

CLOSE_STD = 0.08  # the middle of CLOSE's 0.04 to 0.12

Config = dict[str, Any]
_OPTIONS = {  # option of `preset`: (part, field of the part)
    "noise_std": ("corrupt", "std"),
    "noise_level": ("corrupt", "level"),
    "memory_size": ("collapse", "size"),
    "memory_temperature": ("collapse", "temperature"),
    "rescale": ("rescale", "kind"),
}


@dataclass(frozen=True)
class Preset:
    """A named bridge: its formula, its paper and its parts. Fields in braces stand for values of the parts."""

    name: str
    condition: str
    paper: str
    collapse: Config
    corrupt: Config
    rescale: Config

    def formula_with(self, config: Mapping[str, Any]) -> str:
        """The formula with the values of a bridge's config in place of the defaults."""
        values = {**self.collapse, **self.corrupt, **config.get("collapse", {}), **config.get("corrupt", {})}
        return self.condition.format(
            **{name: value if isinstance(value, str) else f"{value:.4g}" for name, value in values.items()}
        )

    def options(self) -> list[str]:
        """Return the options of `preset` that this row has a part for."""
        return [option for option, (part, field) in _OPTIONS.items() if field in getattr(self, part)]


_NONE, _MEAN, _SHIFT, _UNIT = {"kind": "none"}, {"kind": "mean"}, {"kind": "shift"}, {"kind": "unit"}
_AUTO, _CAPDEC = {"kind": "gaussian", "std": AUTO}, {"kind": "gaussian", "std": CAPDEC_STD}
_C3 = "Zhang et al. 2024 (C3)"
_STD = "σ = {std} (noise_std)"
_NOISE = f"ε ~ N(0, σ² I), {_STD}"
_ROWS = (
    Preset("c1", "unit(e)", f"{_C3}, C¹", _NONE, _NONE, _UNIT),
    Preset("c2_1", "unit(e − ē)", f"{_C3}, C²₁", _MEAN, _NONE, _UNIT),
    Preset("c2_2", f"unit(e + ε), {_NOISE}", f"{_C3}, C²₂", _NONE, _AUTO, _UNIT),
    Preset(
        "c2_2_span", f"unit(e + ε − (ε·ĝ)ĝ), {_NOISE}, ĝ along the gap", f"{_C3}, Table 7",
        _NONE, {"kind": "span", "std": AUTO}, _UNIT,
    ),
    Preset("c3", f"unit(e − ē + ε), {_NOISE}", f"{_C3}, C³, COCO code", _MEAN, _AUTO, _UNIT),
    Preset(
        "c3_imagebind", f"e − ē + ε, {_NOISE}", f"{_C3}, Algorithm 1, ImageBind code",
        _MEAN, {"kind": "gaussian", "std": 0.1}, _NONE,
    ),
    Preset("capdec", f"unit(e + ε), {_NOISE}", "Nukrai et al. 2022 (CapDec)", _NONE, _CAPDEC, _UNIT),
    Preset(
        "capdec_offset", f"unit(e − ē + ē_t + ε), {_NOISE}", "Nukrai et al. 2022 (CapDec), center offset",
        _SHIFT, _CAPDEC, _UNIT,
    ),
    Preset(
        "lafite_g", "unit((1 − λ) e + λ ε/‖ε‖), ε ~ N(0, I), λ = {level} (noise_level)", "Zhou et al. 2022 (LAFITE)",
        _NONE, {"kind": "lafite", "level": 0.75}, _UNIT,
    ),
    Preset(
        "decap", "unit(softmax(e Tᵀ/τ) T), T a sample of target embeddings, τ = {temperature} (memory_temperature)",
        "Li et al. 2023 (DeCap)", {"kind": "memory", "size": 50_000, "temperature": 0.01}, _NONE, _UNIT,
    ),
    Preset(
        "close", f"unit(e − ē + ē_t + ε), ε ~ N(0, σ² Σ d/tr Σ), Σ the target's covariance, {_STD}",
        "Gu et al. 2023 (CLOSE)", _SHIFT, {"kind": "covariance", "std": CLOSE_STD}, _UNIT,
    ),
    Preset(
        "mean_std", f"unit((e − ē) s_t/s + ε), {_NOISE}", "Fonseca et al. 2025 (TOMCap)",
        {"kind": "mean_std"}, _CAPDEC, _UNIT,
    ),
)  # fmt: skip
PRESETS = {row.name: row for row in _ROWS}


def list_presets() -> list[dict[str, str]]:
    """Return the name, the formula and the paper of every preset.

    >>> list_presets()[4]["formula"]
    'unit(e − ē + ε), ε ~ N(0, σ² I), σ = auto (noise_std)'
    """
    return [{"name": row.name, "formula": row.formula_with({}), "paper": row.paper} for row in _ROWS]


def preset(name: str, **overrides: Any) -> C3Bridge:
    """Return the bridge of a preset, not fitted yet.

    `overrides` are `noise_std` (standard deviation per dimension, for embeddings of unit norm; "auto" lets
    `Pipeline.fit` choose it), `noise_level` (LAFITE's share of noise, 0 to 1), `memory_size`, `memory_temperature` and
    `rescale` ("none", "unit" or "native"). Raises `WrongCall` for an unknown name, or an option that the preset has no
    part for.

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
    except WrongCall as error:  # it names a part, but the caller named a preset
        options = ", ".join(f"{option}={value!r}" for option, value in overrides.items())
        raise WrongCall(f"bridge {name!r} with {options}: {error}") from None

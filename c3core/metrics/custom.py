"""Run the metrics that plugins bring, so that one that fails does not harm the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from math import isfinite
from traceback import extract_tb
from typing import Any

from c3core.contracts import Decoder
from c3core.errors import C3Error, WrongCall, near
from c3core.registry.discovery import registered
from c3core.registry.registration import Entry

Metric = Callable[[Sequence[Any], Sequence[Any], Sequence[Sequence[Any]]], Mapping[str, float]]
RESERVED = ("bridge", "seed", "seeds", "asked", "by")  # an ablation writes these beside the scores of a run


def load_metrics(decoder: Decoder, modality: str, names: Sequence[str]) -> dict[str, Metric]:
    """Load metrics by name: those named, and if none of these is a default one of the decoder's modality, all of those.

    Raises `WrongCall` for an unknown metric, and for one that takes other modalities than those of the inputs and of
    the decoder's outputs.
    """
    if isinstance(names, str):
        raise WrongCall(f"metrics must be a list, not one string. Write [{names!r}].")
    known = registered("metric")
    for name in names:
        if name not in known:
            hint = "" if decoder.suffix is None else " What needs no name (FID, KID, R@1) is always given."
            raise WrongCall(f"no metric of {decoder.modality} is called {name!r}: {near(name, known)}{hint}")
    default = [name for name, one in known.items() if one.default and one.modalities[-1:] == (decoder.modality,)]
    chosen = [known[name] for name in dict.fromkeys(names if {*default} & {*names} else [*default, *names])]
    for entry in chosen:
        _check_modalities(entry, modality, decoder.modality)
    return {entry.name: entry.load() for entry in chosen}


def _check_modalities(metric: Entry, modality: str, target: str) -> None:
    *inputs, output = metric.modalities or (target,)
    if output != target or (inputs and modality not in inputs):
        made_from = f" made from {' or '.join(inputs)}" if inputs else ""
        raise WrongCall(f"metric {metric.name!r} is of {output}{made_from}, not of {target} from {modality}.")


def compute_metric(
    metric: Metric,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    references: Sequence[Sequence[Any]],
    *,
    taken: Iterable[str],
) -> tuple[dict[str, float], str]:
    """Return the scores of a plugin's metric, and why some or all of them are left out ("" if none is).

    Whatever the metric raises becomes such a reason: outputs that took hours to make are not lost. `taken` holds the
    names of other scores, which it may not use.
    """
    # Copies, which the metric may change.
    arguments = list(inputs), list(outputs), [list(several) for several in references]
    try:
        with redirect_stdout(sys.stderr):  # standard output is only for the scores
            result = metric(*arguments)
        if not isinstance(result, Mapping):
            return {}, f"it must return a mapping of figures to numbers, not {type(result).__name__}."
        scores = {str(name): float(value) for name, value in result.items()}
    except (Exception, SystemExit) as error:
        return {}, str(error) if isinstance(error, C3Error) else f"{type(error).__name__}: {error}{_line(error)}"
    if twice := sorted(scores.keys() & {*taken, *RESERVED}):
        return {}, f"it names a figure that there is already: {', '.join(twice)}."
    not_finite = [name for name, value in scores.items() if not isfinite(value)]
    why = f"not a finite number: {', '.join(not_finite)}." if not_finite else ""
    return {name: value for name, value in scores.items() if name not in not_finite}, why


def _line(error: BaseException) -> str:
    """Return the line of the metric that raised the error, for its author."""
    frames = extract_tb(error.__traceback__)[1:]  # without that of `compute_metric`
    return f" ({frames[0].filename}, line {frames[0].lineno})" if frames else ""

"""Metrics that plugins bring: chosen by name, and kept from harming any other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from math import isfinite
from traceback import extract_tb
from typing import Any

from c3core.contracts import Decoder
from c3core.errors import C3Error, WrongCall, near
from c3core.metrics.captions import METRICS
from c3core.registry.discovery import Entry, registered

Metric = Callable[[Sequence[Any], Sequence[Any], Sequence[Sequence[Any]]], Mapping[str, float]]
RUN = ("bridge", "seed", "seeds", "asked", "by")  # what an ablation writes beside the figures of a run


def named_metrics(decoder: Decoder, modality: str, names: Sequence[str]) -> tuple[list[str], dict[str, Metric]]:
    """Of metrics by name, those of captions, and those that plugins bring, loaded; a `WrongCall` for what does not
    fit.
    """
    if isinstance(names, str):
        raise C3Error(f"metrics must be a list, not one string. Write [{names!r}].")
    target, core = decoder.modality, METRICS if decoder.suffix is None else ()
    brought = registered("metric")
    for name in names:
        if name not in core and name not in brought:
            always = "" if core else " What needs no name (FID, KID, R@1) is always given."
            raise WrongCall(f"no metric of {target} is called {name!r}: {near(name, [*core, *brought])}{always}")
    added = {name: brought[name] for name in names if name not in core}
    for found in added.values():
        _check_fits(found, modality, target)
    return [name for name in names if name in core], {name: found.load() for name, found in added.items()}


def _check_fits(metric: Entry, modality: str, target: str) -> None:
    *inputs, output = metric.modalities or (target,)
    if output != target or (inputs and modality not in inputs):
        made_from = f" made from {' or '.join(inputs)}" if inputs else ""
        raise WrongCall(f"metric {metric.name!r} is of {output}{made_from}, not of {target} from {modality}.")


def figures(
    metric: Metric,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    references: Sequence[Sequence[Any]],
    *,
    taken: Iterable[str],
) -> tuple[dict[str, float], str]:
    """A plugin's figures, and why some or all were left out: those of others stand without them."""
    given = (
        list(inputs),
        list(outputs),
        [list(several) for several in references],
    )  # for the plugin to do with as it likes
    try:
        with redirect_stdout(sys.stderr):  # which is for the figures alone
            found = metric(*given)
        if not isinstance(found, Mapping):
            return {}, f"it must return a mapping of figures to numbers, not {type(found).__name__}."
        figures = {str(name): float(value) for name, value in found.items()}
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises, after outputs that took hours
        return {}, str(error) if isinstance(error, C3Error) else f"{type(error).__name__}: {error}{_where(error)}"
    if twice := sorted(figures.keys() & ({*taken, *RUN})):
        return {}, f"it names a figure that there is already: {', '.join(twice)}."
    odd = [name for name, value in figures.items() if not isfinite(value)]
    why = f"not a finite number: {', '.join(odd)}." if odd else ""
    return {name: value for name, value in figures.items() if name not in odd}, why


def _where(error: BaseException) -> str:
    """The line of the metric that an error came through, for its author."""
    frames = extract_tb(error.__traceback__)[1:]  # the first one is ours
    return f" ({frames[0].filename}, line {frames[0].lineno})" if frames else ""

"""The folder of a run: its recipe in `run.json`, its `metrics.jsonl`, and whether it is finished.

A run is resumed only with an equal recipe. A command that is started again after it finished has nothing left to do:
`finished.json` tells without loading a model.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from c3core.errors import WrongCall
from c3core.io.files import read_json, sha256, write_json, write_text

RUN, METRICS, FINISHED = "run.json", "metrics.jsonl", "finished.json"
LIBRARIES = ("c3core", "torch", "numpy", "accelerate", "safetensors")
MISSING = object()


def begin_run(folder: Path, recipe: Mapping[str, Any], *, write: bool = True, **about: Any) -> None:
    """Write `run.json` (the recipe, versions, and `about`) in a new run's folder.

    Raises `WrongCall` if the folder holds a run of another recipe.
    """
    path = folder / RUN
    if path.exists():
        _require_same(read_json(path), recipe, folder)
    elif write:
        versions = {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
        write_json(path, {"recipe": recipe, "versions": versions, **about})


def truncate_metrics(folder: Path, step: int) -> None:
    """Remove the lines of `metrics.jsonl` after a step, and a line that was cut by a kill."""
    path, kept = folder / METRICS, []
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            break
    write_text(path, "".join(kept))


def mark_finished(folder: Path, recipe: Mapping[str, Any], output: Path) -> None:
    """Note in a run's folder that it is finished and that `output` is the file that it wrote last."""
    write_json(folder / FINISHED, {"recipe": recipe, "output": sha256(output)})


def has_finished(folder: Path, output: Path) -> bool:
    """Whether the run in a folder is finished, with whatever recipe, and `output` is still the file that it wrote."""
    if not ((folder / FINISHED).is_file() and output.is_file()):
        return False
    finished = read_json(folder / FINISHED)
    return isinstance(finished, dict) and finished.get("output") == sha256(output)


def is_finished(folder: Path, recipe: Mapping[str, Any], output: Path) -> bool:
    """The same with an equal recipe. Raises `WrongCall` if the run is finished with another one."""
    if not has_finished(folder, output):
        return False
    _require_same(read_json(folder / FINISHED), recipe, output.parent)
    return True


def _require_same(saved: Any, recipe: Mapping[str, Any], folder: Path) -> None:
    """Refuse a folder whose recipe is not equal to this one."""
    before = saved.get("recipe") if isinstance(saved, dict) else None
    asked = json.loads(json.dumps(recipe))
    if before != asked:
        details = f": {', '.join(differences(before, asked)[:3])}" if isinstance(before, dict) else ""
        raise WrongCall(f"{folder} holds a run of another recipe{details}. Choose another folder (--out).")


def differences(before: Any, asked: Any, name: str = "") -> list[str]:
    """How a recipe differs from the one before, field by field.

    >>> differences({"training": {"steps": 5}}, {"training": {"steps": 6}, "seed": 1})
    ['seed is new', 'training.steps was 5']
    """
    if isinstance(before, dict) and isinstance(asked, dict):
        keys = sorted(before.keys() | asked.keys(), key=str)
        pairs = [(f"{name}.{key}".lstrip("."), before.get(key, MISSING), asked.get(key, MISSING)) for key in keys]
        return [line for key, one, other in pairs for line in differences(one, other, key)]
    if before == asked:
        return []
    if before is MISSING:
        return [f"{name} is new"]
    short = isinstance(before, str | int | float | None) and len(str(before)) <= 40
    return [f"{name} was {before}" if short else f"{name} differs"]

"""Guess the modality of sources: by the names of files, by words, and by the types of objects.

A guess is a media type (the "image" of image/png), or "text" for words. It counts only if the space has a modality of
that name.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from c3core.contracts import BadItem, name_of
from c3core.contracts.dataset_cell import media_type
from c3core.data.input import IF_WORDS, Input, is_path, parse_input
from c3core.data.tables import SAME_AS_TEXT, TEXT
from c3core.data.text_files import beside, decoded
from c3core.errors import WrongCall


def guess_modality(source: Any, known: Sequence[str], *, target: str | None = None) -> str | None:
    """Return which of the `known` modalities a source has, or None if that is open.

    A path has that of its media type, `table.csv:column` that of the column's name, a list (.txt) that of its first
    line, an object that of its type. Words are text, but not for a decoder that makes text itself (`target`). Raises
    `WrongCall` for a missing file that cannot be words.

    >>> known = ("text", "image", "audio")
    >>> guess_modality("a.png", known), guess_modality("a red ring", known), guess_modality({}, known)
    ('image', 'text', None)
    """
    if not isinstance(source, str | os.PathLike):
        of = media_type(source)
        return _by_media_type(of, known) or _among(known, of or kind_of(source))
    return guess_input(parse_input(os.fspath(source)), known, target=target)


def guess_input(given: Input, known: Sequence[str], *, target: str | None = None) -> str | None:
    """Return which of the `known` modalities an input of the command line has, as `guess_modality` does."""
    words = TEXT if TEXT in known and target != TEXT else None
    if given.kind == "column":
        return _among(known, TEXT if given.column in SAME_AS_TEXT else str(given.column))
    if given.kind == "list" and os.path.isfile(given.path):
        first = next((line.strip() for _, line in decoded(given.path) if line.strip()), "")
        return (_by_media_type(first, known) if is_path(first) else None) or words
    there = os.path.exists(given.path)
    if (there or is_path(given.name)) and (guessed := _by_media_type(given.name, known)):
        return guessed
    if words and not there and is_path(given.name):
        raise WrongCall(
            f"{given.name} does not exist{beside(given.name)}. Check the spelling; for a text of one word that looks"
            " like a path, say so (modality=…, or --modality)."
        )
    return None if there else words


def group_by_modality(
    sources: Sequence[Any],
    known: Sequence[str],
    *,
    target: str | None = None,
    takes: Callable[[str], bool] = lambda _: True,
    guesses: Sequence[str | None] | None = None,
) -> tuple[dict[str, list[int]], dict[int, BadItem]]:
    """Return the positions of the sources of each modality, and by position those that are left out and why.

    Where a guess is open, a source has the modality of all others, or the only one but the decoder's. Of sources of
    several modalities, those of one that `takes` refuses are left out. Raises `WrongCall` if all guesses are open.
    """
    if guesses is None:
        guesses = [guess_modality(source, known, target=target) for source in sources]
    found = set(guesses) - {None} or {modality for modality in known if modality != target}
    if len(found) > 1 and set(guesses) == {None}:
        raise WrongCall(f"{name_of(sources[0])}: {_why_open(sources[0], known)}.")
    only = next(iter(found)) if len(found) == 1 else None
    groups: dict[str, list[int]] = {}
    left_out: dict[int, BadItem] = {}
    for at, (source, guessed) in enumerate(zip(sources, guesses, strict=True)):
        modality = guessed or only
        if modality is None:
            left_out[at] = BadItem(name_of(source), _why_open(source, known))
        elif only is None and not takes(modality):
            left_out[at] = BadItem(name_of(source), f"the pipeline takes no {modality}: it was not fitted on any")
        else:
            groups.setdefault(modality, []).append(at)
    return groups, left_out


def _why_open(source: Any, known: Sequence[str]) -> str:
    """Why the modality of a source cannot be guessed, and what to do."""
    name_it = f"say which it is (modality=…, or --modality): one of {', '.join(known)}"
    if not isinstance(source, str | os.PathLike):
        return f"this type does not tell its modality: {name_it}"
    if os.path.isdir(source):
        return f"a folder: give the files in it, c3core.load_items({os.fspath(source)!r})"
    if os.path.exists(source) or TEXT not in known:
        return f"its name does not tell its modality: {name_it}"
    return f"no such file{IF_WORDS}"


def is_one(sources: Any) -> bool:
    """Whether this is one source: a string, a path, a picture, an array of numbers, a wave with its rate, a cell.

    >>> is_one("a.jpg"), is_one(["a.jpg"]), is_one((np.zeros(8000), 8000)), is_one(np.array(["a", "b"]))
    (True, False, True, False)
    """
    if isinstance(sources, str | bytes | os.PathLike | Image.Image | Tensor | Mapping):
        return True
    if isinstance(sources, np.ndarray):
        return sources.dtype.kind in "biufc"
    return _with_rate(sources) or not isinstance(sources, Iterable) or media_type(sources) != ""


def kind_of(value: Any) -> str:
    """The media type of an object in memory, or "" if its type does not tell.

    "image" is a PIL image or uint8 (h, w, 3) or (h, w), "video" uint8 (n, h, w, 3), "audio" a wave (samples,), or one
    with its rate.

    >>> kind_of(np.zeros((4, 6, 3), np.uint8)), kind_of((np.zeros((2, 8000)), 8000)), kind_of(np.zeros((4, 6)))
    ('image', 'audio', '')
    """
    if isinstance(value, Image.Image):
        return "image"
    array = value[0] if _with_rate(value) else value
    if not isinstance(array, np.ndarray):
        return ""
    if array.dtype == np.uint8 and array.ndim == 2 and array is value:
        return "image"
    if array.dtype == np.uint8 and array.ndim in (3, 4) and array.shape[-1] == 3:
        return "image" if array.ndim == 3 else "video"
    return "audio" if array.ndim == 1 or (array is not value and array.ndim == 2) else ""


def _with_rate(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and isinstance(value[0], np.ndarray)
        and isinstance(value[1], Real)
    )


def _by_media_type(name: str, known: Sequence[str]) -> str | None:
    if name.lower().endswith(".gif") and "video" in known:
        return "video"
    guessed = (mimetypes.guess_type(name)[0] or "").split("/")[0]
    return None if guessed == TEXT else _among(known, guessed)  # a table or a program is no list of texts


def _among(known: Sequence[str], modality: str) -> str | None:
    return modality if modality in known else None


def as_picture(output: Any) -> Any:
    """An array that is a picture as a PIL image; anything else as it is."""
    return Image.fromarray(output) if isinstance(output, np.ndarray) and kind_of(output) == "image" else output

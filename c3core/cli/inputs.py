"""From the words of a command line to what a pipeline takes: its inputs, their modality, the decoder's options."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3core.data.sources import LIST, expand
from c3core.data.tables import COLUMN, SAME_AS_TEXT
from c3core.errors import WrongCall
from c3core.io.yaml_text import load_yaml

if TYPE_CHECKING:
    from c3core.pipeline.pipeline import Pipeline


def options_of(words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as a mapping; values are read as YAML.

    >>> options_of(["num_beams=3", "do_sample=true"])
    {'num_beams': 3, 'do_sample': True}
    """
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise WrongCall(f"an option is written name=value, not {word!r}.")
        try:
            options[name] = load_yaml(value, name)
        except WrongCall:
            raise WrongCall(f"the value of option {name!r} cannot be read: {value!r}. Put it in quotes.") from None
    return options


def guess_modality(pipeline: Pipeline, inputs: Sequence[str]) -> str:
    """The modality of inputs: by the first one's column of a table or media type, text where it names no file, else the
    only one that is left.

    Media types and modalities share their names where both are common ones ("image/png"); nothing else is known by name
    here.
    """
    _refuse_empty(inputs)
    known = pipeline.space.modalities
    column = COLUMN.fullmatch(inputs[0])
    if column and os.path.exists(column[1]):
        name = "text" if column[2] in SAME_AS_TEXT else column[2]
        if name in known:
            return name
    elif guessed := _by_media_type(pipeline, inputs[0]):
        return guessed
    others = [modality for modality in known if modality != pipeline.decoder.modality]
    if len(others) == 1:
        return others[0]
    if os.path.isdir(inputs[0]) and os.path.isdir(_first_file(inputs[0])):
        raise WrongCall(f"{inputs[0]} holds no files. Name another folder, or fill it.")
    unnamed = f"column {column[2]!r} is not called after a modality: " if column else ""
    raise WrongCall(f"{unnamed}say which modality the inputs have: --modality {'|'.join(known)}.")


def _refuse_empty(inputs: Sequence[str]) -> None:
    if not all(name.strip() for name in inputs):
        raise WrongCall("an input is empty. Leave it out.")


def _by_media_type(pipeline: Pipeline, name: str) -> str | None:
    """The modality of a file, of a folder's first one, or of words; None if that is open."""
    known, first = pipeline.space.modalities, _first_file(name)
    exists, lists = os.path.exists(first), first.suffix.lower() == LIST  # of files or of sentences
    if lists and os.path.isfile(first):
        line = _first_line(first)
        if (listed := _media_type(line)) in known and not any(letter.isspace() for letter in line):
            return listed
    guessed = "" if lists else _media_type(first.name)
    if guessed in known:
        return "video" if first.suffix.lower() == ".gif" and "video" in known else guessed
    if (lists or not exists) and "text" in known and pipeline.decoder.modality != "text":
        if not exists and not any(letter.isspace() for letter in name) and ("/" in name or first.suffix):
            raise WrongCall(f"{name} does not exist. Check the spelling; if it is a sentence, say --modality text.")
        return "text"  # a sentence, or a list of them
    return None


def _first_file(name: str) -> Path:
    """The file itself, or the first of a folder that is not hidden."""
    path = Path(name)
    if not os.path.isdir(path):  # not `path.is_dir()`: a long sentence is too long for a file's name, which that raises
        return path
    below = sorted(path.rglob("*"))
    visible = (file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts))
    return next((file for file in visible if file.is_file()), path)


def _first_line(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as lines:
        return next((line.strip() for line in lines if line.strip()), "")


def _media_type(name: str) -> str:
    return (mimetypes.guess_type(name)[0] or "").split("/")[0]


def sources_of(inputs: Sequence[str], modality: str, *, root: Path | None = None) -> tuple[list[str], list[Any]]:
    """The ids and sources that inputs name."""
    _refuse_empty(inputs)
    sources = list(expand(inputs, root=root, text=modality == "text"))
    return [source.id for source in sources], [source.source for source in sources]

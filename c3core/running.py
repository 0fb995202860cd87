"""From the words of a command line to what a pipeline takes: its inputs, their modality, the decoder's options."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from c3core.errors import WrongCall
from c3core.sources import expand
from c3core.tables import COLUMN, SAME_AS_TEXT

if TYPE_CHECKING:
    from c3core.pipeline import Pipeline


def options_of(words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as a mapping; values are read as YAML.

    >>> options_of(["num_beams=3", "do_sample=true"])
    {'num_beams': 3, 'do_sample': True}
    """
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise WrongCall(f"an option is written name=value, not {word!r}.")
        try:
            options[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # a date that there is not is the latter
            raise WrongCall(f"the value of option {name!r} cannot be read: {value!r}. Put it in quotes.") from None
    return options


def guess_modality(pipeline: Pipeline, inputs: Sequence[str]) -> str:
    """The modality of inputs: by the first one's column of a table or media type, text where it names no file, else the only one
    that is left.

    Media types and modalities share their names where both are common ones ("image/png"); nothing else is known by name here.
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
    raise WrongCall(f"say which modality the inputs have: --modality {'|'.join(known)}.")


def _refuse_empty(inputs: Sequence[str]) -> None:
    if not all(name.strip() for name in inputs):
        raise WrongCall("an input is empty. Leave it out.")


def _by_media_type(pipeline: Pipeline, name: str) -> str | None:
    """The modality of a file, of a folder's first one, or of words; None if that is open."""
    known = pipeline.space.modalities
    first = Path(name)
    if os.path.isdir(first):  # not `first.is_dir()`: a long sentence is too long for a file's name, which that raises
        visible = (
            path for path in sorted(first.rglob("*")) if not any(part.startswith(".") for part in path.relative_to(name).parts)
        )
        first = next((path for path in visible if path.is_file()), first)
    if first.suffix == ".txt" and os.path.isfile(first):  # a list, of files or of sentences
        with open(first, encoding="utf-8", errors="replace") as lines:
            line = next((line.strip() for line in lines if line.strip()), "")
        listed = (mimetypes.guess_type(line)[0] or "").split("/")[0]
        if listed in known and not any(letter.isspace() for letter in line):
            return listed
    words = not os.path.exists(first) or first.suffix == ".txt"
    guessed = (mimetypes.guess_type(first.name)[0] or "").split("/")[0] if first.suffix != ".txt" else ""
    if guessed in known:
        return "video" if first.suffix.lower() == ".gif" and "video" in known else guessed
    if words and "text" in known and pipeline.decoder.modality != "text":
        if not os.path.exists(first) and not any(letter.isspace() for letter in name) and ("/" in name or first.suffix):
            raise WrongCall(f"{name} does not exist. Check the spelling; if it is a sentence, say --modality text.")
        return "text"  # a sentence, or a list of them
    return None


def sources_of(inputs: Sequence[str], modality: str, *, root: Path | None = None) -> tuple[list[str], list[Any]]:
    """The ids and sources that inputs name."""
    _refuse_empty(inputs)
    sources = list(expand(inputs, root=root, text=modality == "text"))
    return [source.id for source in sources], [source.source for source in sources]

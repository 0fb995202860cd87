"""Clotho, five captions of each sound: `clotho:FOLDER?split=evaluation`."""

from __future__ import annotations

from pathlib import Path

from c3_datasets.argument import TableOptions, choose_split, parse
from c3_datasets.captions import table_of
from c3_datasets.files import folder_in, held, read_columns, require_one
from c3core.data import Table
from c3core.errors import WrongCall

FORM = "clotho:FOLDER?split=evaluation"
PREFIX = "clotho_captions_"


class Options(TableOptions):
    """What may follow the `?`."""

    split: str | None = None
    audio: str | None = None


def table(argument: str, *, folder: Path) -> Table:
    """The sounds of one split and their captions.

    The folder holds `clotho_captions_evaluation.csv` and a folder `evaluation` of sounds; `audio` names another one. A
    sound that is missing is left to the reader. Raises `C3Error` for a split that is not there, a file of another
    format, and a folder that holds none of the sounds.
    """
    name, options = parse(argument, Options, table="clotho", form=FORM)
    home = folder_in(folder, name, "clotho")
    files = {path.stem.removeprefix(PREFIX): path for path in home.glob(f"{PREFIX}*.csv")}
    if not files:
        raise WrongCall(f"clotho: {home} has no {PREFIX}evaluation.csv or the like: {held(home)}.")
    split = choose_split(options.split, files, home)
    rows = [*read_columns(files[split], ("file_name", "caption_1"), "file of Clotho's captions")]
    sounds = folder_in(home, split, "audio") if options.audio is None else folder_in(folder, options.audio, "audio")
    paths = [sounds / row["file_name"] for row in rows]
    require_one(paths, sounds, "audio")
    captions = ([text for column, text in row.items() if column.startswith("caption_")] for row in rows)
    return table_of("audio", zip(paths, captions, strict=True), of=files[split])

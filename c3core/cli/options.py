"""The options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from c3core.cli.output import writable
from c3core.errors import WrongCall
from c3core.io.layout import path_of

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Change = Annotated[
    list[str],
    typer.Option("--set", help="Replace a field of the recipe, as in --set training.steps=100. Repeatable."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Try the whole recipe on the first 32 items of each, for two steps.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option(help="What the encoders compute in: float32, bfloat16 or float16.")]
VideoReaderName = Annotated[
    str | None, typer.Option("--video-reader", help="pyav, the default, or decord; an option of the space.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of all random draws.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Number of inputs that the model takes at once.")]
PipelineName = Annotated[
    str,
    typer.Argument(
        help="A pipeline: a folder, the name of one that a plugin ships (playground/painter), or a name on the hub."
    ),
]
Recipe = Annotated[
    Path, typer.Argument(parser=path_of, metavar="RECIPE", help="A YAML file; its paths are relative to it.")
]
Out = Annotated[
    Path,
    typer.Option(
        help="Folder to write; the same command again continues a killed run.", parser=writable, metavar="<folder>"
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(help="Folder where the paths in a list or table start; by default that of the list or table."),
]
BestOf = Annotated[
    int, typer.Option(min=1, help="Make this many outputs of each input, and keep the one that the space sees nearest.")
]
DecoderOption = Annotated[
    list[str],
    typer.Option(
        "--option", "-o", help="An option of the decoder, as in -o num_beams=3. Repeatable. c3 info lists the options."
    ),
]
MetricName = Annotated[
    list[str],
    typer.Option(
        "--metric",
        help="A caption metric to compute instead of all, or a plugin's metric to compute as well. Repeatable.",
    ),
]

Number = TypeVar("Number", int, float)


def space_options(video_reader: str | None) -> dict[str, Any]:
    """The options of a space that a command was given."""
    return {} if video_reader is None else {"video_reader": video_reader}


def numbers_of(text: str, kind: type[Number], what: str) -> list[Number]:
    """Numbers separated by commas; none of an empty text. Raises `WrongCall` for a word that is no number.

    >>> numbers_of("0, 0.5,1", float, "shifts")
    [0.0, 0.5, 1.0]
    """
    try:
        return [kind(word) for word in text.split(",")] if text.strip() else []
    except ValueError:
        raise WrongCall(f"{what} are {'whole ' * (kind is int)}numbers separated by commas, not {text!r}.") from None

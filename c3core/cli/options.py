"""The options and arguments that several commands share, and what to write instead of one that no command has."""

from __future__ import annotations

import difflib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from c3core.cli.output import writable
from c3core.errors import WrongCall
from c3core.io.layout import path_of

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Change = Annotated[
    list[str],
    typer.Option("--set", help="Replace a field of the recipe, as in --set training.steps=100. Repeatable."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Try the whole recipe on the first 32 items of each, for two steps, in OUT/dry-run.",
    ),
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
    typer.Option(help="Folder where the paths in a list or CSV table start; by default that of the list or table."),
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


class Command(TyperCommand):
    """A command of `c3`. An unknown option that is one of the decoder (`-o`) or a field of the recipe gets a hint."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a call."""
        words = [*args]
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # typer brings a click of its own or uses that which is installed
            if type(error).__name__ == "NoSuchOption":
                hint = self._hint(error.option_name, words)  # type: ignore[attr-defined]
                error.message += hint  # type: ignore[attr-defined]
                error.possibilities = None if hint else error.possibilities  # type: ignore[attr-defined]
            raise

    def _hint(self, unknown: str, words: list[str]) -> str:
        """How an unknown option may be written: as an option of the decoder, or as a field of the recipe."""
        name, own = unknown.lstrip("-").replace("-", "_"), {str(param.name) for param in self.params}
        if difflib.get_close_matches(name, own, n=1, cutoff=0.8):
            return ""  # an own option, misspelled: typer names it
        of_decoder = _decoder_options(words) if "option" in own else set()
        written = {f"-o {option}": option for option in of_decoder}
        if "change" in own:
            written |= {f"--set {field}": field.rpartition(".")[2] for field in _recipe_fields()}
        near = difflib.get_close_matches(name.rpartition(".")[2], written.values(), n=1)
        joined = [word.partition("=")[2] for word in words if word.startswith(f"{unknown}=")]
        after = [other for word, other in pairwise(words) if word == unknown and not other.startswith("-")]
        value = next(iter(joined + after), "…")
        if shown := [f"{one}={value}" for one, option in written.items() if [option] == near]:
            return f". Write {' or '.join(shown)}."
        return f". If the decoder has it, write -o {name}={value}." if "option" in own and not of_decoder else ""


def _decoder_options(words: list[str]) -> set[str]:
    """The options of the decoder of a pipeline that is named and on this machine; none if there is none."""
    from c3core.errors import C3Error
    from c3core.pipeline.manifest import read_manifest
    from c3core.registry.discovery import registered

    for word in words:
        try:
            shipped = registered("pipeline").get(word)
            manifest = read_manifest(Path(shipped.load()()) if shipped else path_of(word))
            return {*registered("decoder")[manifest.decoder.name].load().options_class.model_fields}
        except (C3Error, KeyError):
            continue
    return set()


def _recipe_fields() -> list[str]:
    from c3core.experiments.recipe import COMMANDS
    from c3core.training.options import TrainingOptions

    outer = dict.fromkeys(field for recipe in COMMANDS.values() for field in recipe.model_fields)
    return [*outer, *(f"training.{field}" for field in TrainingOptions.model_fields)]

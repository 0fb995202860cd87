"""Find the files that a data set names, and check their format. Each error says what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from c3core.data import header_of, rows_of
from c3core.errors import CorruptFile, WrongCall
from c3core.io import checked, path_of, read_json

Model = TypeVar("Model", bound=BaseModel)
SHOWN = 5  # names of a folder in a message


def file_in(folder: Path, name: str) -> Path:
    """A file that an argument names, relative to `folder`. Raises `WrongCall` if it is not there."""
    path = folder / path_of(name)
    if not path.is_file():
        wrong = "is a folder, not a file" if path.is_dir() else f"does not exist: {held(path.parent)}"
        raise WrongCall(f"{path} {wrong}.")
    return path


def folder_in(folder: Path, name: str, option: str) -> Path:
    """A folder that an argument names, relative to `folder`. Raises `WrongCall` if it is not there."""
    path = folder / path_of(name)
    if not path.is_dir():
        wrong = "is no folder" if path.exists() else f"does not exist: {held(path.parent)}"
        raise WrongCall(f"{option}: {path} {wrong}.")
    return path


def require_one(paths: Sequence[Path], folder: Path, option: str) -> None:
    """Raise `WrongCall` if none of the files exists: then the folder is a wrong one."""
    if paths and not any(path.exists() for path in paths):
        raise WrongCall(
            f"{option}: none of the {len(paths)} files is in {folder} (the first would be {paths[0]}): {held(folder)}."
        )


def held(folder: Path) -> str:
    """What a folder holds, as the end of a sentence.

    >>> import tempfile
    >>> held(Path(tempfile.mkdtemp()))
    'the folder is empty'
    """
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    names = [name for name in names if not name.startswith(".")]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"the folder holds {', '.join(names[:SHOWN])}{more}" if names else "the folder is empty"


def find_stems(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files of a folder that have one of the suffixes, by their names without it. The first suffixes go before."""
    found: dict[str, tuple[int, Path]] = {}
    for path in folder.iterdir():
        if path.suffix.lower() in suffixes:
            ranked = suffixes.index(path.suffix.lower()), path
            found[path.stem] = min(ranked, found.get(path.stem, ranked))
    return {stem: path for stem, (_, path) in found.items()}


def read_format(path: Path, model: type[Model], what: str) -> Model:
    """Read a JSON file whose format `model` describes. Raises `CorruptFile` if it is another one."""
    value = read_json(path)
    fields = f"it holds {', '.join(value) or 'nothing'}" if isinstance(value, dict) else f"a {type(value).__name__}"
    try:
        return checked(model, value, what=f"{path} is no {what} ({fields})")
    except WrongCall as error:
        raise CorruptFile(f"{error}. Name a file of this format.") from None


def read_columns(path: Path, needed: Iterable[str], what: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file by column. Raises `CorruptFile` if a column is missing."""
    header = header_of(str(path))
    if missing := [column for column in needed if column not in header]:
        raise CorruptFile(f"{path} is no {what}: it has no column {', '.join(missing)}, but {', '.join(header)}.")
    return (dict(zip(header, row, strict=True)) for row in rows_of(str(path)))

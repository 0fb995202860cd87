"""Data sets of the Hugging Face hub, and local ones: `hf-dataset:NAME?split=test&image=COLUMN&text=COLUMN`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from huggingface_hub.constants import HF_HOME

from c3_datasets.argument import TableOptions, choose_split, parse
from c3_datasets.extracted import Extracted
from c3_datasets.files import held
from c3core.data import Table
from c3core.errors import C3Error, NotReachable, WrongCall, library_errors, lines_of, near
from c3core.io import path_of
from c3core.runtime import progress_bar

FORM = "hf-dataset:NAME?split=test&image=COLUMN&text=COLUMN"
MEDIA = ("image", "audio", "video")


class Options(TableOptions):
    """What may follow the `?`. `text` may name several columns, and fields of them: `title,json.text`."""

    split: str | None = None
    config: str | None = None
    revision: str | None = None
    image: str | None = None
    audio: str | None = None
    video: str | None = None
    text: str | None = None
    files: str | None = None

    @property
    def media(self) -> dict[str, str]:
        """The columns of files by modality."""
        return {modality: column for modality in MEDIA if (column := getattr(self, modality)) is not None}

    @property
    def texts(self) -> list[str]:
        """The columns of captions."""
        return [] if self.text is None else [column.strip() for column in self.text.split(",")]


def table(argument: str, *, folder: Path) -> Table:
    """Some columns of one split of a data set; a list of captions becomes a row for each.

    NAME is a data set of the hub, or a local folder or file (Parquet, JSON lines, or pictures with a `metadata.jsonl`).
    The split is streamed once. Pictures, sounds and videos that it holds are written to the folder `files` as they are,
    named by their content, and are never decoded here; those that are files already stay where they are. The table is
    kept there too, so that the next call reads nothing from the hub. Raises `C3Error` for a data set, a split or a
    column that is not there, and for a column of another kind.
    """
    name, options = parse(argument, Options, table="hf-dataset", form=FORM)
    if not options.media and not options.texts:
        raise WrongCall(f"table hf-dataset: name at least one column: {FORM}.")
    local = _local(name, folder)
    kept = Path(HF_HOME) / "c3core" if options.files is None else folder / path_of(options.files)
    extracted = Extracted(kept, str(local or name), options.model_dump(exclude={"files"}), local)
    if not extracted.is_complete:
        extracted.write(_rows(name, local, options))
    return extracted.table(of=name)


def _local(name: str, folder: Path) -> Path | None:
    """The local folder or file of a name, or None for a data set of the hub."""
    path = folder / path_of(name)
    if path.exists():
        return path.resolve()
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or path.suffix in (".parquet", ".json", ".jsonl"):
        raise WrongCall(f"hf-dataset: {path} does not exist: {held(path.parent)}.")
    return None


def _rows(name: str, local: Path | None, options: Options) -> Iterator[dict[str, list[Any]]]:
    """The cells of each row: a list of one file for each modality, and of captions for text."""
    stream = _open(name, local, options)
    known = stream.column_names or list(next(iter(stream), {}))
    texts = [[column] if column in known else column.split(".") for column in options.texts]
    columns = [*options.media.values(), *(place[0] for place in texts)]
    for column in columns:
        if column not in known:
            raise WrongCall(f"hf-dataset: {name} has no column {column!r}: {near(column, known)}")
    stream = stream.select_columns(sorted(set(columns)))
    stream = stream.decode(False) if stream.features else stream
    advice = "Run again; files that were read are kept."
    with library_errors(f"hf-dataset: {name} cannot be read", advice), progress_bar(f"reading {name}") as bar:
        for row in stream:
            cells = {modality: [row[column]] for modality, column in options.media.items()}
            if texts:
                cells["text"] = [text for place in texts for text in _captions(row, place, name)]
            yield cells
            bar.advance(1)


def _open(name: str, local: Path | None, options: Options) -> Any:
    """Open the stream of one split. Raises `C3Error` if there is no such data set or split."""
    where: dict[str, Any] = {"path": name, "revision": options.revision}
    if local is not None:
        where = {"path": str(local)} if local.is_dir() else {"path": str(local.parent), "data_files": local.name}
    try:
        found: Mapping[str, Any] = datasets.load_dataset(name=options.config, streaming=True, **where)
    except Exception as error:  # whatever a format or the network raises
        kind = NotReachable if isinstance(error, ConnectionError) else C3Error
        reason = " ".join(lines_of(error))[:300].rstrip(".:")
        raise kind(f"hf-dataset: {name} cannot be opened: {reason}. Check its name, config and revision.") from error
    return found[choose_split(options.split, found, name)]


def _captions(row: Mapping[str, Any], place: Sequence[str], name: str) -> list[str]:
    """The captions of a cell, or of a field inside it: one, a list of them, or none."""
    cell: Any = row
    for part in place:
        cell = cell.get(part) if isinstance(cell, Mapping) else None
    found = [text for text in (cell if isinstance(cell, list) else [cell]) if text is not None]
    for text in found:
        if not isinstance(text, str):
            raise WrongCall(f"hf-dataset: column {'.'.join(place)} of {name} holds {type(text).__name__}, not text.")
    return [text.strip() for text in found if text.strip()]

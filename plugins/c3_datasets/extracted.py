"""Keep a data set that was read once as a folder: its table, and a file for each picture, sound or video."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import fsspec

from c3core.data import Table
from c3core.errors import CorruptFile, WrongCall, warn
from c3core.io import atomic_write, read_json, short_hash, write_json

SUFFIX = re.compile(r"\.[a-z0-9]{1,5}", re.IGNORECASE)


class Extracted:
    """The table of some columns of a data set, in `folder`. It is made anew if the `local` files were changed."""

    def __init__(self, folder: Path, name: str, options: Mapping[str, Any], local: Path | None) -> None:
        described = json.dumps([name, options, _state(local)], sort_keys=True)
        self.folder, self.path = folder, folder / f"{short_hash(described)}.json"

    @property
    def is_complete(self) -> bool:
        """Whether the table is there."""
        return self.path.is_file()

    def write(self, rows: Iterable[Mapping[str, list[Any]]]) -> None:
        """Write the files and, at the end, the table: a row for each caption. Rows that lack a cell are left out."""
        columns: dict[str, list[str]] = {}
        left_out = 0
        for row in rows:
            files = {modality: self._file(cell[0], modality) for modality, cell in row.items() if modality != "text"}
            texts = row.get("text", [""])
            if not texts or None in files.values():
                left_out += 1
                continue
            for text in texts:
                for modality in row:
                    columns.setdefault(modality, []).append(text if modality == "text" else str(files[modality]))
        write_json(self.path, {"left_out": left_out, "columns": columns})

    def table(self, *, of: str) -> Table:
        """The table. Warns of rows that were left out, and raises `CorruptFile` if there are no others."""
        found = read_json(self.path)
        if found["left_out"]:
            lack = "lack a file or a caption and are left out"
            warn(f"hf-dataset: {found['left_out']} row(s) of {of} {lack}.")
        if not found["columns"]:
            raise CorruptFile(f"hf-dataset: no row of {of} has all of the columns. Choose others.")
        return Table(found["columns"])

    def _file(self, cell: Any, modality: str) -> str | None:
        """The path of the file that a cell holds, None for an empty cell."""
        if cell is None:
            return None
        if not isinstance(cell, Mapping) or not {"bytes", "path"} <= cell.keys():
            raise WrongCall(
                f"hf-dataset: the column of {modality} holds {type(cell).__name__}, not files. Name another."
            )
        path, data = cell["path"] or "", cell["bytes"]
        if data is None and "://" not in path:
            return os.path.abspath(path) if path else None
        if data is None:
            with fsspec.open(path, "rb") as remote:
                data = remote.read()
        suffix = os.path.splitext(path)[1].lower()
        digest = hashlib.sha256(data).hexdigest()[:32]
        written = self.folder / digest[:2] / (digest + (suffix if SUFFIX.fullmatch(suffix) else ""))
        if not written.exists():
            with atomic_write(written) as temporary:
                temporary.write_bytes(data)
        return os.path.abspath(written)


def _state(local: Path | None) -> list[Any]:
    """The names, sizes and times of local files; empty for a data set of the hub."""
    if local is None:
        return []
    files = sorted(local.rglob("*")) if local.is_dir() else [local]
    stats = [(str(path), path.stat()) for path in files if path.is_file()]
    return [(name, found.st_size, found.st_mtime_ns) for name, found in stats]

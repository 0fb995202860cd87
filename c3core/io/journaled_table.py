"""A table that takes long to make: a journal beside it keeps the rows that are done, so that a killed run goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.io.files import atomic_write, make_folder, printable, read_json, sha256, write_error, write_json

TABLES = (".csv", ".jsonl", ".parquet")

Row = dict[str, Any]


def journal_of(path: Path) -> Path:
    """The journal of a table.

    >>> print(journal_of(Path("captions.csv")))
    captions.csv.part
    """
    return path.with_name(path.name + ".part")


class JournaledTable:
    """A CSV, JSON lines or Parquet file that is written as a whole at the end: its suffix names the format.

    Until then `add` appends the rows of each input to a journal beside it, `captions.csv.part` of `captions.csv`.
    `call` says what the rows depend on. With a journal of an equal call, `rows` begins with what the journal holds, by
    the position of the input. `finish` notes the call in `.captions.csv.json`: `finished` is what it noted if the table
    is there and of an equal call, else None. Raises `WrongCall` if the table or the journal is of another call, or the
    table was changed, and `C3Error` if another process writes the table.

    >>> import tempfile
    >>> table = JournaledTable(Path(tempfile.mkdtemp()) / "captions.csv", {"seed": 0})
    >>> table.add(0, [{"source": "a.jpg", "caption": "a dog"}])
    >>> table.finish(["source", "caption"], captions=1)
    >>> table.close()
    >>> print(table.path.read_text(), end="")
    source,caption
    a.jpg,a dog
    >>> JournaledTable(table.path, {"seed": 0}).finished
    {'captions': 1}
    """

    def __init__(self, path: Path, call: Mapping[str, Any]) -> None:
        self.path, self.journal, self.call = path, journal_of(path), json.loads(json.dumps(call))
        self.note = path.with_name(f".{path.name}.json")
        self.rows: dict[int, list[Row]] = {}
        self.finished: Row | None = None
        make_folder(path.parent)
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), blocking=False)
        try:
            self._lock.acquire()
            self._handle = open(self.journal, "ab")  # noqa: SIM115  open until `close`
        except Timeout:
            raise C3Error(f"another process is writing {path}. Wait for it, or give another --out.") from None
        except OSError as error:
            self._lock.release()
            raise write_error(self.journal, error) from error
        try:
            self._resume(self.call)
        except C3Error:  # first: a `CorruptFile` is also an OSError
            self.close()
            raise
        except OSError as error:
            self.close()
            raise write_error(self.journal, error) from error

    def _resume(self, call: Row) -> None:
        """Read the journal, or begin it."""
        whole = self.journal.read_bytes().rpartition(b"\n")[0]  # without a line that a kill cut
        if not whole:
            self._handle.truncate(0)
            if self.path.exists():
                self.finished = self._finished(call)
            else:
                self._write(call)
            return
        self._handle.truncate(len(whole) + 1)
        try:
            before, *lines = map(json.loads, whole.splitlines())
            self.rows = dict(lines)
            changed = _changed(before, call)
        except (ValueError, TypeError, AttributeError) as error:
            raise CorruptFile(f"{self.journal} was changed. Remove it, or give another --out.") from error
        if changed:
            raise WrongCall(
                f"{self.journal} is of an unfinished run that had other {changed}. Give another --out, or"
                f" remove {self.journal} to start again."
            )

    def _finished(self, call: Row) -> Row:
        """What was noted of the table that is there, if it is of an equal call."""
        advice = "Give another --out, or remove it"
        if not self.note.is_file():
            raise WrongCall(f"{self.path} exists, and nothing tells how it was made. {advice}.")
        noted = read_json(self.note)
        whole = isinstance(noted, dict) and noted.keys() >= {"call", "about", "sha256"}
        if not whole or noted["sha256"] != sha256(self.path):
            raise WrongCall(f"{self.path} was changed after it was made. {advice} to make it again.")
        if changed := _changed(noted["call"], call):
            raise WrongCall(f"{self.path} was made with other {changed}. {advice}.")
        return dict(noted["about"])

    def close(self) -> None:
        """Let another process write the table. An unfinished run leaves its journal."""
        self._handle.close()
        if not (self.journal.exists() and self.journal.stat().st_size):
            self.journal.unlink(missing_ok=True)
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def add(self, position: int, rows: list[Row]) -> None:
        """Keep the rows of an input on disk, one for each seed."""
        self.rows[position] = rows
        self._write([position, rows])

    def _write(self, value: Any) -> None:
        try:
            self._handle.write(json.dumps(value).encode() + b"\n")
            self._handle.flush()
        except OSError as error:
            raise write_error(self.journal, error) from error

    def finish(self, columns: Sequence[str], **about: Any) -> None:
        """Write the table, with the rows in the order of the inputs, note `about` it, and remove the journal."""
        rows = (row for position in sorted(self.rows) for row in self.rows[position])
        whole = [
            {name: printable(value) if isinstance(value := row.get(name), str) else value for name in columns}
            for row in rows
        ]
        with atomic_write(self.path) as temporary:
            _WRITERS[self.path.suffix.lower()](whole, temporary)
        write_json(self.note, {"call": self.call, "sha256": sha256(self.path), "about": about})
        self.journal.unlink(missing_ok=True)


def _changed(before: Row, call: Row) -> str:
    """The names in a call that had other values before."""
    return " and ".join(name for name in call if before.get(name) != call[name])


def _write_csv(rows: list[Row], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(rows: list[Row], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_parquet(rows: list[Row], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows)
    empty = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in table.schema]
    pq.write_table(table.cast(pa.schema(empty)), path)


_WRITERS = dict(zip(TABLES, (_write_csv, _write_jsonl, _write_parquet), strict=True))

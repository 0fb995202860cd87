"""What `c3 run` made: printed, written as files, or written as a table."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3core.cli.output import report_bad
from c3core.errors import C3Error
from c3core.runtime.console import one_line, print_json

if TYPE_CHECKING:
    from c3core.cli.inputs import Inputs
    from c3core.contracts import BadItem, Decoder
    from c3core.io.journaled_table import JournaledTable
    from c3core.runtime.progress import Bar

OVERVIEW = 32  # inputs on an overview; of more, each would be too small
WIDEST = 8  # outputs in a row of an overview


class Results:
    """Outputs that are printed or written as files as soon as they are made, or printed as one JSON document."""

    def __init__(
        self, decoder: Decoder, given: Inputs, seeds: range, *, out: Path | None = None, json: bool = False
    ) -> None:
        self.decoder, self.given, self.seeds, self.out, self.json = decoder, given, seeds, out, json
        self.several = len(seeds) > 1
        self.rows: list[tuple[int, int, dict[str, Any]]] = []  # seed, position, row
        self.shown: dict[int, Sequence[Any]] = {}  # the outputs of an input, for the overview
        self.bad: dict[int, BadItem] = {}
        self.said: Counter[str] = Counter()

    def done(self, positions: Sequence[int]) -> int:
        """Return how many of the first of some inputs an earlier run did."""
        return 0

    def add(self, position: int, outputs: Sequence[Any]) -> None:
        """Take the outputs of an input, one for each seed; or for each the same `BadItem`."""
        from c3core.contracts import BadItem

        if isinstance(outputs[0], BadItem):
            self.bad[position] = BadItem(self.given.id(position), outputs[0].why)
        else:
            if len(self.shown) < OVERVIEW or (self.several and not self.decoder.suffix):
                self.shown[position] = outputs
            if not self.decoder.suffix:
                self.said.update(map(str, outputs))
        self._keep(position, outputs)

    def _keep(self, position: int, outputs: Sequence[Any]) -> None:
        if position in self.bad:
            return
        for seed, output in zip(self.seeds, outputs, strict=True):
            row = {"input": self.given.id(position), "output": self._write(position, output, seed)}
            row |= self._details(output, seed)
            if self.json:
                self.rows.append((seed, position, row))
            elif len(self.given) == 1:
                print(row["output"], flush=True)
            else:
                print(f"{one_line(row['input'])}\t{one_line(row['output'])}", flush=True)

    def _details(self, output: Any, seed: int) -> dict[str, Any]:
        """The score of an output, if it has one, and its seed, if there are several."""
        score = getattr(output, "score", None)
        return ({} if score is None else {"score": score}) | ({"seed": seed} if self.several else {})

    def _write(self, position: int, output: Any, seed: int) -> str:
        """Write an output that is a file. Return its path, or the output as text."""
        if not self.decoder.suffix or self.out is None:
            return str(output)
        path = self.out / f"{position:06d}{f'-{seed}' if self.several else ''}{self.decoder.suffix}"
        self.decoder.write(output, path)
        return str(path)

    def finish(self) -> None:
        """Write what is written at the end, warn, and raise a `C3Error` if no input could be read."""
        from c3core.experiments.evaluation import repetition

        bad = [self.bad[position] for position in sorted(self.bad)]
        overview = self._overview()
        _warn_of_same(list(self.shown.values()))
        if why := repetition(self.said):
            print(f"warning: {why}", file=sys.stderr)
        if self.json:
            rows = [row for _, _, row in sorted(self.rows, key=lambda entry: entry[:2])]
            left_out = [{"input": item.source, "why": item.why} for item in bad]
            print_json({"outputs": rows, **({"overview": str(overview)} if overview else {}), "bad": left_out})
        report_bad(bad, len(bad), len(self.given))
        require_read(len(self.given) - len(bad))

    def _overview(self) -> Path | None:
        """Write the overview of outputs that are files, and print its name."""
        if self.out is None or not self.shown:
            return None
        shown = [list(self.shown[position]) for position in sorted(self.shown)]
        overview = _write_overview(self.decoder, shown, self.out)
        if overview and not self.json:
            every = len(self.given) - len(self.bad) == len(self.shown)
            print(overview if every else f"{overview} (of the first {OVERVIEW} inputs)")
        return overview


class TableResults(Results):
    """Captions in a table. Those that its journal holds are not made again."""

    def __init__(self, decoder: Decoder, given: Inputs, seeds: range, table: JournaledTable, bar: Bar) -> None:
        from c3core.contracts import BadItem

        super().__init__(decoder, given, seeds)
        self.table, self.bar = table, bar
        for position, rows in table.rows.items():
            captions = [row["caption"] for row in rows if "caption" in row]
            if not captions:
                self.bad[position] = BadItem(given.id(position), rows[0]["error"])
            elif self.several:
                self.shown[position] = captions
            self.said.update(captions)

    def done(self, positions: Sequence[int]) -> int:
        """Return how many of the first of some inputs an earlier run did."""
        return next((at for at, position in enumerate(positions) if position not in self.table.rows), len(positions))

    def add(self, position: int, outputs: Sequence[Any]) -> None:
        """Take the outputs of an input, unless an earlier run did."""
        if position not in self.table.rows:
            super().add(position, outputs)

    def _keep(self, position: int, outputs: Sequence[Any]) -> None:
        rows = []
        for seed, output in zip(self.seeds, outputs, strict=True):
            made = {"error": output.why} if position in self.bad else {"caption": str(output)}
            rows.append({"source": self.given.name(position)} | made | self._details(output, seed))
        self.table.add(position, rows)
        self.bar.advance()

    def finish(self) -> None:
        """Write the table, and then as any results."""
        scored = any("score" in row for rows in self.table.rows.values() for row in rows)
        columns = ["source", *["seed"] * self.several, "caption", *["score"] * scored, "error"]
        read = len(self.given) - len(self.bad)
        self.table.finish(columns, read=read)
        print(f"{self.table.path}: {read} of {len(self.given)} inputs")
        super().finish()


def require_read(count: int) -> None:
    """Raise a `C3Error` if no input could be read."""
    if not count:
        raise C3Error("no input could be read.")


def _warn_of_same(outputs: Sequence[Sequence[Any]]) -> None:
    """Warn if each seed gave the same outputs."""
    from c3core.pipeline.best_of import same

    several = [made for made in outputs if len(made) > 1]
    if several and all(same(first, other) for first, *others in several for other in others):
        print("warning: each seed gave the same. Nothing may be random with these options (-o).", file=sys.stderr)


def _write_overview(decoder: Decoder, outputs: list[list[Any]], out: Path) -> Path | None:
    """Write one file of several outputs: a square of those of one seed, else the seeds of an input in a row or more."""
    path = out / f"overview{decoder.suffix}"
    try:
        path.unlink(missing_ok=True)  # an older one shows other outputs
    except OSError as error:
        raise C3Error(f"{path} cannot be replaced: {error.strerror}. Remove it, or choose another --out.") from error
    if all(len(row) == 1 for row in outputs):
        outputs = [[row[0] for row in outputs]]
        width = isqrt(len(outputs[0]) - 1) + 1
    else:
        width = min(WIDEST, max(map(len, outputs)))
    rows = [row[start : start + width] for row in outputs for start in range(0, len(row), width)]
    return path if sum(map(len, rows)) > 1 and decoder.write_overview(rows, path) else None

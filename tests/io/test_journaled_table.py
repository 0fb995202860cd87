"""A table whose journal cannot be opened or is damaged; `tests/cli/test_run_table.py` kills and continues whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core.errors import C3Error, CorruptFile
from c3core.io.journaled_table import JournaledTable


def test_a_journal_that_cannot_be_opened_is_one_error_and_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "captions.csv.part").mkdir()
    for _ in range(2):  # the second time too: the lock was released
        with pytest.raises(C3Error, match=r"captions\.csv\.part"):
            JournaledTable(tmp_path / "captions.csv", {"seed": 0})


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "captions.csv.part").write_text('{"seed": 0}\nno json\n')
    with pytest.raises(CorruptFile, match="was changed"):
        JournaledTable(tmp_path / "captions.csv", {"seed": 0})

"""Make a table of files and their captions: a row for each caption."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from c3core.data import Table
from c3core.errors import CorruptFile, warn


def table_of(modality: str, items: Iterable[tuple[Path | None, Iterable[str]]], *, of: object) -> Table:
    """A table with a row for each caption of each file; files without a caption are left out with one warning.

    The path of a file is None if no folder of files was named: then the table has only captions. Raises `CorruptFile`
    if there is no caption at all.

    >>> table_of("image", [(Path("a.jpg"), ["one ", "two"])], of="captions.json").columns
    {'image': ['a.jpg', 'a.jpg'], 'text': ['one', 'two']}
    """
    files: list[str] = []
    texts: list[str] = []
    without = 0
    for path, captions in items:
        kept = [caption.strip() for caption in captions if caption.strip()]
        without += not kept
        texts += kept
        files += [str(path)] * len(kept) if path else []
    if without:
        warn(f"{of}: {without} {modality} item(s) have no caption and are left out.")
    if not texts:
        raise CorruptFile(f"{of} has no captions. Name a file with captions.")
    return Table({modality: files, "text": texts} if files else {"text": texts})

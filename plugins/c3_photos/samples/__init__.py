"""Photos of free licenses that ship with the package; `README.md` names their sources."""

from __future__ import annotations

from pathlib import Path

from c3core.data import Table
from c3core.errors import WrongCall


def samples(argument: str, *, folder: Path = Path()) -> Table:
    """The table `photos:samples` with the column `image`: paths of photos. No file is read from `folder`.

    >>> samples("samples").rows
    8
    """
    if argument != "samples":
        raise WrongCall(f"c3_photos has no table {argument!r}. Write photos:samples.")
    return Table({"image": sorted(str(path) for path in Path(__file__).parent.glob("*.jpg"))})

"""Photos of free licenses and sentences that ship with the package; `README.md` names their sources."""

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
    return Table({"image": sample_photos()})


def sample_photos() -> list[str]:
    """The paths of the photos."""
    return sorted(str(path) for path in Path(__file__).parent.glob("*.jpg"))


def sample_sentences() -> list[str]:
    """Sentences about everyday photos; not about those of `sample_photos`."""
    return (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()

"""What a study of the paper's theory returns: figures beside the paper's, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

BLUE, ORANGE, GREEN, GREY = "#3b6fb6", "#d98032", "#4d9a5b", "#777777"


@dataclass(frozen=True)
class Row:
    """A figure as the paper prints it (None if it prints none) and as it comes out here.

    `form` is the format of both if they are numbers.

    >>> Row("gap", 1.2042, 1.21).shown()
    {'figure': 'gap', 'paper': '1.21', 'here': '1.20'}
    """

    figure: str
    here: float | str
    paper: float | str | None = None
    form: str = ".2f"

    def shown(self) -> dict[str, str | None]:
        """The row as a table shows it."""

        def text(value: float | str | None) -> str | None:
            if value is None or isinstance(value, str):
                return value
            return "0" if value == 0 else format(value, self.form.replace(".", "z.", 1))  # z: not -0.00

        return {"figure": self.figure, "paper": text(self.paper), "here": text(self.here)}

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {"figure": self.figure, "paper": self.paper, "here": self.here}


@dataclass(frozen=True)
class Study:
    """The result of a study.

    `rows` are its figures, `notes` are sentences on how to read them, `curves` are the values behind the picture, and
    `draw` makes the picture, a figure of matplotlib.
    """

    title: str
    rows: Sequence[Row]
    draw: Callable[[], Any]
    notes: Sequence[str] = ()
    curves: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The study as JSON values, without the picture."""
        rows = [row.to_dict() for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes), "curves": self.curves}


def plain(axis: Any) -> Any:
    """Return an axis of matplotlib without its upper and right lines, with small labels."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    return axis

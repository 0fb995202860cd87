"""Show the examples of docstrings as code. `make docs` loads this through mkdocstrings."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Fences the lines from `>>>` to the next blank one."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change a docstring before it is rendered."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)

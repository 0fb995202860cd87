"""Read text: a string becomes one that a tokenizer takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from c3core.contracts import Reader
from c3core.errors import C3Error, warn

FILE_NAME = re.compile(r"\S+\.\w+")  # only such a sentence is looked for on disk


class TextReader(Reader):
    """Read a string, without the white space around it. The string is the text itself, never the name of a file.

    Only strings are taken. A text is refused if it is empty or blank, or holds what no tokenizer takes: a NUL
    character or half of a surrogate pair. Warns of a text that is the name of a file. The length is not checked: see
    `TruncationCheck`.

    >>> TextReader().read("  a red circle\\n")
    'a red circle'
    >>> TextReader()("   ").why
    'the text is empty'
    """

    takes_text = True
    _warned = False

    def read(self, source: Any) -> str:
        """Return the stripped string. Raises `C3Error` with the reason."""
        if not isinstance(source, str):
            raise C3Error(f"text must be a string, not {type(source).__name__}")
        text = str(source).strip()  # str(): a numpy string becomes a plain one
        if not text:
            raise C3Error("the text is empty")
        if "\0" in text:
            raise C3Error("the text holds a NUL character: it may be a binary file")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise C3Error("the text is not valid Unicode: it holds half of a surrogate pair") from error
        if not self._warned and FILE_NAME.fullmatch(text) and os.path.isfile(text):
            self._warned = True
            is_list = text.lower().endswith(".txt")
            how = f'For the lines in it: c3core.load_items({text!r}, "text").' if is_list else "Is it the right column?"
            warn(f"{text} is read as a sentence, but there is a file of that name (shown once). {how}")
        return text


class TruncationCheck:
    """Warn once if a text is longer than a model can read, so that its end is ignored.

    >>> check = TruncationCheck(77)
    >>> check(lambda: False)  # no warning
    """

    def __init__(self, limit: int, unit: str = "tokens") -> None:
        self.limit, self.unit, self.warned = limit, unit, False

    def __call__(self, truncated: Callable[[], bool]) -> None:
        """Warn if `truncated()` is true. After the warning it is not called any more."""
        if not self.warned and truncated():
            self.warned = True
            message = f"a text is longer than {self.limit} {self.unit}: only its beginning counts (shown once)."
            warn(message)

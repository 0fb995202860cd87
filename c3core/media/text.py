"""Reading text: a string as a user gives it to a string that a tokenizer takes."""

from __future__ import annotations

from typing import Any

from c3core.contracts import Reader
from c3core.errors import C3Error


class TextReader(Reader):
    """A string, without the white space around it. The string is the text itself, never the name of a file.

    Refuses what is no string, what is empty or blank, and what no tokenizer takes: a NUL character or half of a
    surrogate pair. A text of any length is taken: what is too long is the encoder's to say.

    >>> TextReader().read("  a red circle\\n")
    'a red circle'
    >>> TextReader()("   ").why
    'the text is empty'
    """

    def read(self, source: Any) -> str:
        """The stripped string. Raises `C3Error` with the reason."""
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
        return text

"""Split the argument of a table, `captions.json?split=test&images=photos`, into a name and checked options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict

from c3core.errors import WrongCall, near
from c3core.io import checked


class TableOptions(BaseModel):
    """The base of a table's options: the fields that may follow the `?`."""

    model_config = ConfigDict(extra="forbid")


Options = TypeVar("Options", bound=TableOptions)


def parse(argument: str, options: type[Options], *, table: str, form: str) -> tuple[str, Options]:
    """Return the name and the options of an argument. `form` shows how the table is written.

    A `?`, `&` or `%` inside of a name is written `%3F`, `%26` or `%25`, as in a web address. Raises `WrongCall` for an
    argument without a name, and for an option that is unknown (with near names), wrong or given twice.

    >>> class Photos(TableOptions):
    ...     images: str
    >>> parse("captions.json?images=my photos", Photos, table="coco", form="coco:FILE")
    ('captions.json', Photos(images='my photos'))
    """
    name, _, query = argument.partition("?")
    if not name.strip():
        raise WrongCall(f"the table {table} needs a name behind its colon: {form}.")
    values: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        option, equals, value = part.partition("=")
        if not equals or not value:
            raise WrongCall(f"table {table}: an option is written name=value, not {part!r}: {form}.")
        if option in values:
            raise WrongCall(f"table {table}: {option} is given twice. Leave one out.")
        values[option] = unquote(value)
    return unquote(name), checked(options, values, what=f"table {table}")


def choose_split(wanted: str | None, known: Iterable[str], of: object) -> str:
    """The split that is asked for, or the only one. Raises `WrongCall` with those that there are."""
    known = sorted(set(known))
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None:
        raise WrongCall(f"say which split of {of} to take, as in ?split={(known or ['test'])[-1]}: {near('', known)}")
    if wanted not in known:
        raise WrongCall(f"{of} has no split {wanted!r}: {near(wanted, known)}")
    return wanted

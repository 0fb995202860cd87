"""Check what users give: fields against a pydantic model, and items by position."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ValidationError

from c3core.errors import CorruptFile, WrongCall, near
from c3core.io.files import read_json

Model = TypeVar("Model", bound=BaseModel)
PathField = Annotated[str, AfterValidator(os.path.expanduser)]  # the type of a field of a recipe that holds a path

# Messages in place of those of pydantic that name its classes.
_MESSAGES = dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must hold fields by name")
_MESSAGES |= dict.fromkeys(("list_type", "tuple_type"), "must be a list")
MAX_SHOWN = 6  # wrong fields in one error: another kind of file may have dozens


def checked(model: type[Model], values: Mapping[str, Any], *, what: str) -> Model:
    """Build `model` from `values`. Raises a `WrongCall` that lists the wrong fields, with near names.

    >>> class Options(BaseModel):
    ...     steps: int = 1
    >>> checked(Options, {"steps": 3}, what="options")
    Options(steps=3)
    >>> checked(Options, {"steps": "many"}, what="options")
    Traceback (most recent call last):
    ...
    c3core.errors.WrongCall: options: steps: Input should be a valid integer, unable to parse string as an integer
    """
    if not isinstance(values, Mapping):
        raise WrongCall(f"{what}: must hold fields by name, got {type(values).__name__}")
    try:
        built = model.model_validate(dict(values))
        lines = [f"{place}: must be a number, not {value}" for place, value in _switches(model, values)]
    except ValidationError as error:
        lines = [_line(model, problem) for problem in error.errors()]
    if not lines:
        return built
    more = f"; and {len(lines) - MAX_SHOWN} more" if len(lines) > MAX_SHOWN else ""
    raise WrongCall(f"{what}: {'; '.join(lines[:MAX_SHOWN])}{more}")


def _switches(model: type[BaseModel], values: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, bool]]:
    """The fields of numbers that were given as true or false, which pydantic would take for 1 and 0."""
    for name, value in values.items():
        kind = model.model_fields[name].annotation if name in model.model_fields else None
        kinds = {kind, *get_args(kind)} if isinstance(value, bool) else set()
        if kinds & {int, float} and bool not in kinds:
            yield outer + name, value
        elif isinstance(value, Mapping) and (inner := _nested(model, [name])):
            yield from _switches(inner, value, f"{outer}{name}.")


def read_checked(model: type[Model], path: Path, *, of: str = "") -> Model:
    """Build `model` from a JSON file that c3core wrote. Raises a `CorruptFile` that lists the wrong fields."""
    try:
        return checked(model, read_json(path), what=f"{path} of {of}" if of else str(path))
    except WrongCall as error:
        raise CorruptFile(f"{error}. The file was changed, or another version wrote it: make it again.") from None


def _line(model: type[BaseModel], problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *outer, field = problem["loc"]
        owner = _nested(model, outer)
        return f"{place}: no such field" + (f", {near(str(field), owner.model_fields)}" if owner else "")
    message = _MESSAGES.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _nested(model: type[BaseModel], place: Sequence[Any]) -> type[BaseModel] | None:
    """The model that is the type of a nested field, also if the field may be None; None if its type is no model."""
    inner: type[BaseModel] | None = model
    for name in place:
        kind = inner.model_fields[name].annotation if inner and name in inner.model_fields else None
        models = (part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel))
        inner = next(models, None)
    return inner


def require_part(what: str, part: Any, kind: type[Any]) -> None:
    """Raise `WrongCall` for a space, a pipeline and the like of another type, such as the name of one."""
    if not isinstance(part, kind):
        raise WrongCall(f"the {what} is a {type(part).__name__}, not a {kind.__name__}: see c3core.load_{what}.")


def refuse_table(items: Any, what: str) -> None:
    """Raise `WrongCall` for a data set or a data frame, which holds several columns, and for an open file."""
    if hasattr(items, "readline"):
        raise WrongCall(f"{what} must be a list of items, not an open file. Give its path.")
    columns = getattr(items, "column_names", getattr(items, "columns", None))
    if columns is not None and not isinstance(items, Mapping):
        kind, names = type(items).__name__, ", ".join(map(str, columns))
        raise WrongCall(f"{what} must be a list of items, not a {kind}. Give one of its columns: {names}.")


def by_position(items: Any, what: str) -> Sequence[Any]:
    """Items that can be iterated over, as a sequence: an array, a tensor or a pandas Series becomes a list.

    A Series is indexed by its labels, which may not be positions. Sequences are returned as they are, and arrays of one
    dimension become Python values. Raises `WrongCall` for one string, for a mapping and for a table.

    >>> by_position({"a.jpg": 1}.keys(), "photos")
    ['a.jpg']
    """
    kind = type(items).__name__
    if isinstance(items, str | bytes):
        raise WrongCall(f"{what} must be a list, not one string. Write [item].")
    refuse_table(items, what)
    if isinstance(items, Sequence):
        return items
    if isinstance(items, Mapping) or not isinstance(items, Iterable) or getattr(items, "ndim", None) == 0:
        raise WrongCall(f"{what} must be a list of items, not a {kind}.")
    flat = getattr(items, "ndim", None) == 1 and hasattr(items, "tolist")
    return items.tolist() if flat else list(items)  # type: ignore[attr-defined, no-any-return]

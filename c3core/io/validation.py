"""Checking values against a pydantic model, with errors that name the field and offer near names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from c3core.errors import CorruptFile, WrongCall, near
from c3core.io.files import read_json

Model = TypeVar("Model", bound=BaseModel)

_PLAIN = dict.fromkeys(
    ("model_type", "model_attributes_type", "dict_type"), "must hold fields by name"
) | dict.fromkeys(("list_type", "tuple_type"), "must be a list")  # where pydantic speaks of its own classes
SHOWN = 6  # wrong fields of one error: a file of something else has dozens


def checked(model: type[Model], values: Mapping[str, Any], *, what: str) -> Model:
    """`model` built from `values`; a `WrongCall` lists the wrong fields.

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
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    raise WrongCall(f"{what}: {'; '.join(lines[:SHOWN])}{more}")


def _switches(model: type[BaseModel], values: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, bool]]:
    """The numbers that were given as true or false, which pydantic takes for 1 and 0."""
    for name, value in values.items():
        kind = model.model_fields[name].annotation if name in model.model_fields else None
        kinds = {kind, *get_args(kind)} if isinstance(value, bool) else set()
        if kinds & {int, float} and bool not in kinds:
            yield outer + name, value
        elif isinstance(value, Mapping) and (inner := _nested(model, [name])):
            yield from _switches(inner, value, f"{outer}{name}.")


def read_checked(model: type[Model], path: Path, *, of: str = "") -> Model:
    """`model` built from a JSON file that c3core wrote; a `C3Error` names each field that is not as it was written."""
    try:
        return checked(model, read_json(path), what=f"{path} of {of}" if of else str(path))
    except WrongCall as error:
        raise CorruptFile(f"{error}. It was changed, or is another version's: make it again.") from None


def _line(model: type[BaseModel], problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *outer, field = problem["loc"]
        owner = _nested(model, outer)
        return f"{place}: no such field" + (f", {near(str(field), owner.model_fields)}" if owner else "")
    message = _PLAIN.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _nested(model: type[BaseModel], place: Sequence[Any]) -> type[BaseModel] | None:
    """The model of a field within a model, where its type is one, or one or None."""
    inner: type[BaseModel] | None = model
    for name in place:
        kind = inner.model_fields[name].annotation if inner and name in inner.model_fields else None
        models = (part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel))
        inner = next(models, None)
    return inner

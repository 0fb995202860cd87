"""There is one hook per kind. It takes `register`, and says how its factory is called."""

from __future__ import annotations

import inspect

import pytest

from c3core import hookimpl
from c3core.registry.discovery import KINDS
from c3core.registry.hooks import GROUP, Hooks

HOOKS = [name for name in vars(Hooks) if name.startswith("c3_")]


def test_there_is_one_hook_per_kind():
    assert list(KINDS.values()) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_takes_only_register_and_says_what_its_factory_is(hook):
    function = getattr(Hooks, hook)
    assert list(inspect.signature(function).parameters) == ["self", "register"]
    assert hasattr(function, f"{GROUP}_spec")
    assert "factory" in function.__doc__ or "module:Class" in function.__doc__


def test_hookimpl_marks_a_function_and_leaves_it_callable():
    @hookimpl
    def c3_spaces(register):
        register("a", "m:f")

    noted: list[tuple[str, str]] = []
    c3_spaces(register=lambda *names: noted.append(names))
    assert noted == [("a", "m:f")]
    assert hasattr(c3_spaces, f"{GROUP}_impl")

"""Run single tests of a contract suite on a thing that breaks them."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

from c3core.errors import C3Error

# Raised by assertions, `pytest.raises`, torch and pickle. A TypeError would be a fault of the suite itself.
FAILURES = (
    AssertionError,
    C3Error,
    pytest.fail.Exception,
    RuntimeError,
    ValueError,
    AttributeError,
    pickle.PicklingError,
)


def list_tests(suite: type) -> set[str]:
    """Return the names of a suite's tests."""
    return {name for name, _ in inspect.getmembers(suite, inspect.isfunction) if name.startswith("test_")}


def run_test(suite: Any, name: str, **fixtures: Any) -> None:
    """Call one test of a suite with those fixtures that it takes."""
    test = getattr(suite, name)
    test(**{fixture: fixtures[fixture] for fixture in inspect.signature(test).parameters})

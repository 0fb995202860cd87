"""What the base class of bridges does if a plugin does not override it."""

from __future__ import annotations

import pytest

from c3core import Bridge, C3Error


class Plain(Bridge):
    name = "plain"


Plain.__abstractmethods__ = frozenset()


def test_a_bridge_has_no_native_form() -> None:
    with pytest.raises(C3Error, match="plain"):
        Plain().native()


def test_a_bridge_cannot_be_made_without_its_methods() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Bridge()  # type: ignore[abstract]

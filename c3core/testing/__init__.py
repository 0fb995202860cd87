"""Contract suites: what every plugin, and each encoder, decoder and bridge of one, must keep, as pytest classes.

A plugin's test file subclasses the suite of what it brings, in a few lines. They need pytest, which does not come with
`c3core`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from c3core.testing.bridges import BridgeContract
    from c3core.testing.decoders import DecoderContract
    from c3core.testing.encoders import EncoderContract
    from c3core.testing.plugins import PluginContract

__all__ = ["BridgeContract", "DecoderContract", "EncoderContract", "PluginContract"]

_HOMES = {
    "BridgeContract": "bridges",
    "DecoderContract": "decoders",
    "EncoderContract": "encoders",
    "PluginContract": "plugins",
}

# So that a failing assertion of a suite shows its values, as one in a test file does.
pytest.register_assert_rewrite(*(f"{__name__}.{home}" for home in _HOMES.values()))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

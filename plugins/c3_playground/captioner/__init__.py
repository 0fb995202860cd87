"""The captioner that ships: it describes pictures, videos and sounds of the world, and learned from sentences only."""

from __future__ import annotations

from pathlib import Path


def captioner() -> Path:
    """The folder of `playground/captioner`."""
    return Path(__file__).parent / "weights"

"""Load the space that ships with the package. `connect.yaml` and `connect_text.yaml` are the recipes that made it."""

from __future__ import annotations

from pathlib import Path

from c3core.contracts import Space
from c3core.errors import WrongCall
from c3core.spaces import load_connected

FOLDER = Path(__file__).parent / "weights"


def load(argument: str, *, device: str = "auto", precision: str = "float32") -> Space:
    """The playground space: text, image, video and audio in 256 dimensions."""
    if argument:
        raise WrongCall(f"the playground space takes no argument, got {argument!r}. Write playground.")
    return load_connected(FOLDER, device=device, precision=precision, spec="playground")

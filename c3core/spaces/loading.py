"""Load a space by name or from its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from c3core.contracts import Space
from c3core.errors import C3Error, WrongCall, near
from c3core.io.layout import SPACE, unfinished
from c3core.registry.discovery import entry, registered
from c3core.registry.factory import call_factory, require_kind
from c3core.spaces.serialization import load_connected


def load_space(name: str | Path, *, device: str = "auto", precision: str = "float32", **options: Any) -> Space:
    """A space by name, or by the folder that `c3 connect` wrote. Encoders load when first used.

    In "clip:ViT-B-32/openai", what stands behind the colon is the plugin's to read.

    >>> load_space("playground").modalities
    ('text', 'image', 'video', 'audio')
    """
    name = str(name)
    if os.path.isfile(Path(name) / SPACE):
        connected: Space = call_factory(
            load_connected, f"space {name!r}", name, device=device, precision=precision, **options
        )
        return connected
    prefix, _, argument = name.partition(":")
    known = registered("space")
    if prefix not in known:
        if os.path.isdir(name):
            if unfinished(Path(name)):
                raise WrongCall(
                    f"{name} holds a training that is not finished. The same `c3 connect` again goes on with it."
                )
            raise WrongCall(f"{name} is a folder without a space.json. `c3 connect` writes such a folder.")
        raise WrongCall(f"no space is called {name!r}, and no such folder: {near(prefix, known)}")
    space: Space = call_factory(
        entry("space", prefix).load(), name, argument, device=device, precision=precision, **options
    )
    require_kind(space, Space, "space", prefix)
    if (
        space.spec.partition(":")[0] != prefix
    ):  # a pipeline would be saved with a name that loads another space, or none
        raise C3Error(
            f"space {prefix!r} says that its spec is {space.spec!r}: it must begin with the name it is registered"
            " under."
        )
    return space

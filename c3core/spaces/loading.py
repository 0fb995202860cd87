"""Load a space by name or from its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from c3core.contracts import Space
from c3core.errors import C3Error, WrongCall, near
from c3core.io.hub import download, is_hub_name
from c3core.io.layout import SPACE, unfinished
from c3core.registry.discovery import registered
from c3core.registry.factory import call_factory, require_kind
from c3core.runtime.devices import check_precision
from c3core.spaces.serialization import SPACES, load_connected


def load_space(
    name: str | Path, *, revision: str | None = None, device: str = "auto", precision: str = "float32", **options: Any
) -> Space:
    """Load a space by its name, from the folder that `c3 connect` wrote, or from the hub (`owner/name@revision`).

    Encoders are loaded at first use. `options` are the plugin's own. The part of a name after a colon, as in
    "clip:ViT-B-32/openai", is the plugin's argument. Raises `WrongCall` for an unknown name, `CorruptFile` for a
    damaged folder, and `NotReachable` if the hub does not answer.

    >>> load_space("playground").modalities
    ('text', 'image', 'video', 'audio')
    """
    check_precision(precision)
    name = os.path.expanduser(name)
    settings = {"device": device, "precision": precision}
    prefix, _, argument = name.partition(":")
    known = registered("space")
    folder = Path(name)
    if on_hub := prefix not in known and not os.path.exists(name) and is_hub_name(name, known):
        folder = download([SPACES], name, revision)
    elif revision is not None:
        raise WrongCall(f"{name} is not on the hub, so that it has no revision {revision!r}. Leave out `revision`.")
    if on_hub or os.path.isfile(folder / SPACE):
        connected: Space = call_factory(load_connected, f"space {name!r}", folder, needed=settings, **options)
        connected.spec = name
        return connected.to(device)
    if prefix not in known:
        if os.path.isfile(name):
            raise WrongCall(f"{name} is a file, and a space a name or a folder. `c3 connect` writes one from a recipe.")
        if not os.path.isdir(name):
            hint = f"{near(prefix, known)} `c3 connect` writes one; owner/name is one on the hub."
            raise WrongCall(f"no space is called {name!r}, and no such folder: {hint}")
        if unfinished(Path(name)):
            raise WrongCall(f"{name} holds an unfinished training. Run the same `c3 connect` again to finish it.")
        raise WrongCall(f"{name} is a folder without a {SPACE}. `c3 connect` writes such a folder.")
    space: Space = call_factory(known[prefix].load(), f"space {name!r}", argument, needed=settings, **options)
    require_kind(space, Space, "space", prefix)
    if space.spec.partition(":")[0] != prefix:  # a saved pipeline would load another space
        raise C3Error(f"space {prefix!r} says that its spec is {space.spec!r}. It must begin with {prefix!r}.")
    return space.to(device)


def space_folder(name: str, folder: str | Path) -> Path:
    """The folder of a space that a recipe names: relative to `folder`, or on the hub."""
    path = Path(folder) / name
    on_hub = not path.parent.is_dir() and is_hub_name(name, registered("space"))
    return download([SPACES], name) if on_hub else path

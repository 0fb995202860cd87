"""Register the presets of the C3 bridge."""

from __future__ import annotations

from c3core.bridges.presets import list_presets
from c3core.registry.hooks import hookimpl
from c3core.registry.registration import Register


@hookimpl
def c3_bridges(register: Register) -> None:
    for row in list_presets():
        register(row["name"], "c3core.bridges.presets:preset", summary=row["formula"])

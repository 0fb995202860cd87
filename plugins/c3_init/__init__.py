"""`c3 init`: write a folder to begin with."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_commands(register: Register) -> None:
    register("init", "c3_init.command:init", summary="Write a folder to begin with: recipes, or a plugin.")

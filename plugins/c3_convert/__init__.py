"""`c3 convert`: upstream's weights as safetensors, without running code in them."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_commands(register: Register) -> None:
    register("convert", "c3_convert.command:convert", summary="Convert a torch file of weights to safetensors.")

"""`c3 app`: a page in the browser to try pipelines."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_commands(register: Register) -> None:
    register(
        "app",
        "c3_app.command:app",
        requires=("gradio", "matplotlib"),
        extra="app",
        summary="Try pipelines on a page in the browser.",
    )

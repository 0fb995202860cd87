"""`c3 serve`: a pipeline behind HTTP."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_commands(register: Register) -> None:
    register(
        "serve",
        "c3_serve.command:serve",
        requires=("fastapi", "uvicorn", "python_multipart", "prometheus_client"),
        extra="serve",
        summary="Serve a pipeline over HTTP.",
    )

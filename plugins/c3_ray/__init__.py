"""Embed on many machines with Ray: `c3 embed … --engine ray`, or `c3_ray.engine.embed_with_ray`."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_engines(register: Register) -> None:
    register(
        "ray",
        "c3_ray.engine:embed_with_ray",
        requires=("ray",),
        extra="ray",
        summary="the cluster of RAY_ADDRESS, or this machine",
    )

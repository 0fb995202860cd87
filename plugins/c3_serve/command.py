"""`c3 serve PIPELINE`."""

from __future__ import annotations

from typing import Annotated

import typer

MB = 2**20


def serve(
    pipeline: Annotated[str, typer.Argument(help="A pipeline: a folder, a plugin's name for one, or a hub name.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at. For others than this machine (0.0.0.0), set C3_SERVE_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at. 0: a free one.")] = 8000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="What the encoders compute in: float32, bfloat16 or float16.")
    ] = "float32",
    batch_size: Annotated[int, typer.Option(min=1, help="Number of items that the model takes at once.")] = 64,
    max_body: Annotated[float, typer.Option(min=0.001, help="Most megabytes of a request.")] = 32.0,
    max_items: Annotated[int, typer.Option(min=1, help="Most items of a request.")] = 64,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Most requests at once, read, waiting or running. More get status 429.")
    ] = 256,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Most seconds of a request, with its upload.")] = 60.0,
    max_option: Annotated[
        int,
        typer.Option(
            min=1,
            help="Largest whole number that a request may give for an option (num_beams, steps), unless the pipeline's"
            " own is larger.",
        ),
    ] = 100,
) -> None:
    """Serve a pipeline over HTTP: POST /run with files or sentences, GET /health, /metrics and /openapi.json.

    If the environment variable C3_SERVE_TOKEN is set, a request needs the header `Authorization: Bearer TOKEN`.
    """
    from c3_serve.limits import Limits
    from c3_serve.server import run_server

    limits = Limits(body=round(max_body * MB), items=max_items, queue=max_queue, seconds=max_seconds, option=max_option)
    run_server(pipeline, host=host, port=port, device=device, precision=precision, batch_size=batch_size, limits=limits)

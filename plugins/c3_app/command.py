"""`c3 app PIPELINE…`."""

from __future__ import annotations

from typing import Annotated

import typer


def app(
    pipelines: Annotated[
        list[str], typer.Argument(help="Pipelines, as `c3 run` takes them. Several are shown side by side.")
    ],
    items: Annotated[
        list[str],
        typer.Option(
            help="MODALITY=ITEMS: items as `c3 embed` takes them, to show where the modality lies in the space."
            " Repeatable.",
            metavar="<modality=items>",
        ),
    ] = [],  # noqa: B006  typer copies it
    host: Annotated[str, typer.Option(help="Address to listen at. 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 7860,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Try pipelines on a page in the browser."""
    import signal
    import sys
    from threading import Event

    from c3_app.address import check_address
    from c3core.errors import WrongCall

    given: dict[str, list[str]] = {}
    for one in items:
        modality, equals, named = one.partition("=")
        if not (modality and equals and named):
            raise WrongCall(f"--items takes MODALITY=ITEMS, as in --items text=captions.txt, not {one!r}.")
        given.setdefault(modality, []).append(named)
    check_address(host, port)

    from c3_app.server import served
    from c3_app.trial import Trial

    trial = Trial(pipelines, given, device=device)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that uploaded files are removed
    with served(trial, host, port) as address:
        print(f"{', '.join(pipelines)}: open {address} in a browser. Ctrl-C ends it.", flush=True)
        Event().wait()

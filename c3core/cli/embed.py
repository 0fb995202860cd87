"""`c3 embed`: make embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from c3core.cli.options import BatchSize, Device, Json, Precision, Quiet, Root, VideoReaderName, space_options
from c3core.cli.output import report_bad, writable
from c3core.runtime.console import print_json

if TYPE_CHECKING:
    from c3core.contracts import Encoder, Reader
    from c3core.data.items import Items


def embed(
    space: Annotated[str, typer.Argument(help="A space: a name (playground, clip:…), or a folder of c3 connect.")],
    modality: Annotated[str, typer.Argument(help="A modality of the space: text, image, audio, …")],
    inputs: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, a .txt of one item a line, table.csv:column, sentences.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the store. The same command continues a killed run.", parser=writable, metavar="<folder>"
        ),
    ],
    root: Root = None,
    batch_size: BatchSize = 64,
    workers: Annotated[int, typer.Option(min=0, help="Number of processes that read; 0: the one that embeds.")] = 0,
    engine: Annotated[
        str, typer.Option(help="local, or one of a plugin, as ray: on the cluster of RAY_ADDRESS, or on this machine.")
    ] = "local",
    actors: Annotated[int | None, typer.Option(min=1, help="Number of models with ray; by default 1.")] = None,
    shard_rows: Annotated[int, typer.Option(min=1, help="Inputs in a shard. A kill loses at most one shard.")] = 16384,
    device: Device = "auto",
    precision: Precision = "float32",
    video_reader: VideoReaderName = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Embed inputs of one modality into a store."""
    from functools import partial

    from c3core.embedding.embedder import embed as work
    from c3core.errors import WrongCall, near
    from c3core.registry.discovery import registered

    load = partial(_encoder, space, modality, device=device, precision=precision, **space_options(video_reader))
    sources = partial(_sources, inputs, modality, root)
    if engine == "local":
        if actors is not None:
            raise WrongCall("--actors is for --engine ray. Leave it out, or name the engine.")
        encoder = load()
        items = sources(reader=encoder.reader())
        store = work(encoder, items, out, batch_size=batch_size, workers=workers, shard_rows=shard_rows, quiet=quiet)
    else:
        engines = registered("engine")
        if engine not in engines:
            raise WrongCall(f"no engine is called {engine!r}: {near(engine, ['local', *engines])}")
        store = engines[engine].load()(
            load,
            sources,
            out,
            batch_size=batch_size,
            actors=actors or 1,
            workers=workers,
            shard_rows=shard_rows,
            gpus=0.0 if device == "cpu" else None,
            quiet=quiet,
        )
    if json:
        print_json(
            {
                "store": str(out),
                "rows": len(store),
                "bad": store.bad,
                "dim": store.dim,
                "fingerprint": store.fingerprint,
            }
        )
    else:
        print(f"{len(store)} embeddings in {out}")
    report_bad(store.errors(), store.bad, len(store) + store.bad)


def _sources(inputs: list[str], modality: str, root: Path | None, reader: Reader | None = None) -> Items:
    from c3core.data.items import Items, load_items
    from c3core.data.tables import refuse_unused_root
    from c3core.errors import WrongCall

    refuse_unused_root(root, inputs)
    items = load_items(inputs, modality, root=root, reader=reader)
    if not isinstance(items, Items):
        raise WrongCall(f"{inputs[0]} is a store: its items are embedded already. Name files.")
    return items


def _encoder(space: str, modality: str, **options: Any) -> Encoder:
    from c3core.spaces.loading import load_space

    return load_space(space, **options).encoder(modality)


COMMANDS = (embed,)

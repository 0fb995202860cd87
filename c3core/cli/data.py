"""`c3 embed`, `c3 geometry`, `c3 convert`: from files to embeddings, and what they look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from c3core.cli.inspect import Json
from c3core.cli.output import print_json, print_table, report_bad
from c3core.cli.run import Device, Precision


def embed(
    space: str,
    modality: str,
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, globs, a .txt of one item a line, or file.csv:column.")],
    out: Annotated[Path, typer.Option(help="Folder of the store; the same command again continues a killed run.")],
    root: Annotated[Path | None, typer.Option(help="Where the paths of a list or table start.")] = None,
    batch_size: int = 64,
    workers: Annotated[int, typer.Option(help="Processes that read; 0 reads in this one.")] = 0,
    device: Device = "auto",
    precision: Precision = "float32",
    quiet: bool = False,
    json: Json = False,
) -> None:
    """Embed inputs of one modality into a store."""
    from c3core.embedding import embed as work
    from c3core.loading import load_space
    from c3core.sources import expand

    encoder = load_space(space, device=device, precision=precision).encoder(modality)
    sources = expand(inputs, root=root, text=modality == "text")
    store = work(encoder, sources, out, batch_size=batch_size, workers=workers, quiet=quiet)
    bad = [f"{entry['source']}: {entry['why']}" for entry in store.errors()]
    if json:
        print_json({"store": str(out), "rows": len(store), "bad": len(bad), "dim": store.dim, "fingerprint": store.fingerprint})
    else:
        print(f"{len(store)} embeddings in {out}")
    report_bad(bad, len(store) + len(bad))


def geometry(
    x: Annotated[str, typer.Argument(help="Embeddings: a store, .npy, .parquet or .safetensors.")],
    y: Annotated[str, typer.Argument(help="Their pairs: row i belongs to row i of the first.")],
    out: Annotated[Path | None, typer.Option(help="Folder for plots.")] = None,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Measure gap, noise and effective dimension of paired embeddings (the paper's Table 1)."""
    from c3core.geometry import geometry as measure
    from c3core.stores import load_embeddings

    found = measure(load_embeddings(x), load_embeddings(y), seed=seed)
    if out is not None:
        from c3core.plots import plot_geometry

        plot_geometry(found, out)
    figures = found.to_dict()
    if json:
        print_json(figures)
        return
    rows = []
    for name, value in figures.items():
        if isinstance(value, dict) and {"mean", "std"} <= value.keys():
            rows.append({"statistic": name, "mean": f"{value['mean']:.4f}", "std": f"{value['std']:.4f}"})
        elif isinstance(value, dict):
            rows.append({"statistic": name, "mean": ", ".join(f"{key} {entry}" for key, entry in value.items())})
        else:
            rows.append({"statistic": name, "mean": f"{value:.4f}" if isinstance(value, float) else str(value)})
    print_table(rows, ["statistic", "mean", "std"])


def convert(
    weights: Annotated[Path, typer.Argument(help="Upstream weights: a .pth, .pt or .bin file.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Turn weights that exist only as a torch file into safetensors, once, without running any code in it."""
    from c3core.converting import convert as work

    count = work(weights, out)
    print(f"{count} tensors in {out}")


COMMANDS = (embed, geometry, convert)

"""Embed the items of a table in a space without training and in the trained one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from c3core import BadItem, Encoder, Space, Table, load_space, load_table
from c3core.data import refuse_unused_root
from c3core.errors import WrongCall, warn
from c3core.runtime import progress_bar

SPACE, TABLE = "playground", "playground:image/test/1000"
RANDOM = "random"  # the weights of a space without training: playground:random, clip:MODEL/random


@dataclass(frozen=True)
class Embedded:
    """The embeddings of a table's items in one space: a modality's are (n, dim), float32 of unit norm."""

    kind: str  # untrained or trained
    name: str
    dim: int
    by_modality: dict[str, Tensor]


def embed_both(
    space: str = SPACE,
    untrained: str | None = None,
    table: str = TABLE,
    root: Path | None = None,
    *,
    seed: int = 0,
    quiet: bool = False,
) -> list[Embedded]:
    """Embed each distinct item of a table without training, then trained; only without, if `space` is a random one.

    Raises `WrongCall` if the name of the space without training is not known and not given, or if the table has no
    column that the space takes.
    """
    refuse_unused_root(root, [table])
    names = {"untrained": untrained or untrained_name(space, seed), "trained": space}
    if _is_random(space) and untrained is None:
        del names["trained"]
    spaces = {kind: load_space(name) for kind, name in names.items()}
    items = load_table(table, root=root)
    modalities = [name for name in items.columns if all(name in found.modalities for found in spaces.values())]
    if not modalities:
        takes = ", ".join(spaces["untrained"].modalities)
        raise WrongCall(f"{table} has columns {', '.join(items.columns)}, the space takes {takes}. Name another table.")
    return [_embed(kind, found, items, modalities, quiet) for kind, found in spaces.items()]


def untrained_name(space: str, seed: int = 0) -> str:
    """The name of a space's network with random weights.

    >>> untrained_name("clip:ViT-B-32/openai"), untrained_name("playground", seed=1)
    ('clip:ViT-B-32/random', 'playground:random?seed=1')
    """
    prefix, _, argument = space.partition(":")
    seeded = f"?seed={seed}" if seed else ""
    if _is_random(space):
        return space if "?" in space else space + seeded
    if prefix == "playground":
        return f"playground:{RANDOM}{seeded}"
    if prefix == "clip" and not argument.startswith(("hf-hub:", "local-dir:")):
        return f"clip:{argument.partition('/')[0]}/{RANDOM}{seeded}"
    raise WrongCall(f"which space is {space} without training? Name it: --untrained clip:ViT-B-32/random.")


def _is_random(space: str) -> bool:
    """Whether a name is that of a network with random weights."""
    return space.partition("?")[0].endswith((f":{RANDOM}", f"/{RANDOM}")) and ":" in space


def _embed(kind: str, space: Space, table: Table, modalities: list[str], quiet: bool) -> Embedded:
    embeddings = {}
    for modality in modalities:
        distinct = [source for source, _ in table.grouped(modality, modality)]
        embeddings[modality] = _encode(space.encoder(modality), distinct, f"{modality}, {kind}", quiet)
    return Embedded(kind, space.spec, space.dim, embeddings)


def _encode(encoder: Encoder, sources: list[object], what: str, quiet: bool) -> Tensor:
    batches, bad = [], list[tuple[int, BadItem]]()
    with progress_bar(f"embedding {what}", total=len(sources), quiet=quiet) as bar:
        for batch in encoder.encode_batches(sources):
            batches.append(batch.embeddings)
            bad += batch.bad
            bar.advance(len(batch.index) + len(batch.bad))
    rows = torch.cat(batches)
    if bad:
        warn(f"{len(bad)} items could not be embedded, the first: {bad[0][1].why}.")
    if len(rows) < 2:
        raise WrongCall(f"{len(rows)} embeddings of {encoder.modality} have no covariance. Name a larger table.")
    return rows

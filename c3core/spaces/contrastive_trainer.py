"""Connect: train towers and projection heads with InfoNCE on pairs, into a space that `load_space` loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3core.contracts import BadItem, Objective
from c3core.contracts.tower import Tower
from c3core.data.fingerprint import checksum
from c3core.data.tables import Table, load_table
from c3core.errors import C3Error, WrongCall
from c3core.metrics.retrieval import retrieval_metrics
from c3core.registry.factory import load_tower
from c3core.runtime.devices import processes, to_device
from c3core.spaces.contrastive import Head, Temperature, info_nce
from c3core.spaces.dataset import ColumnDataset, PairDataset
from c3core.spaces.frozen import FrozenTower, frozen_towers
from c3core.spaces.recipe import ConnectRecipe
from c3core.spaces.serialization import TowerSpec, save_connected
from c3core.training.seed import seed_of
from c3core.training.trainer import TrainingResult, TrainingTask, train


class _Model(nn.Module):
    """Towers, heads and the temperature: what is trained, and moves to the device as one."""

    def __init__(self, recipe: ConnectRecipe, towers: Mapping[str, Tower]) -> None:
        super().__init__()
        torch.manual_seed(recipe.training.seed)
        self.towers = nn.ModuleDict(towers)
        self.heads = nn.ModuleDict({m: _head(recipe, t) for m, t in towers.items()})
        self.temperature = Temperature(recipe.temperature, learned=recipe.learn_temperature)
        for tower in towers.values():
            tower.requires_grad_(not tower.frozen)

    def forward(self, modality: str, batch: Tensor, *, features: bool) -> Tensor:
        """Unit embeddings (n, dim) of a collated batch, or of features that a frozen tower gave before."""
        hidden = batch if features else self.towers[modality](batch)
        embeddings: Tensor = F.normalize(self.heads[modality](hidden), dim=-1)
        return embeddings


def _head(recipe: ConnectRecipe, tower: Tower) -> nn.Module:
    if isinstance(tower, FrozenTower):
        return nn.Identity()
    return Head(tower.width, recipe.dim, **recipe.head_of(tower.modality).model_dump())


def connect(
    recipe: ConnectRecipe,
    out: str | Path,
    *,
    folder: str | Path = "",
    run: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Train a space by a recipe, write it to `out`, and return its validation figures by pair of modalities.

    `run` holds the checkpoints: `out/run` when not given; a killed run continues from there. `folder` is where the
    recipe's own paths start. A source that cannot be read is left out with its reason; rows of it are not used.
    """
    out = Path(out)
    if recipe.training.batch_size < 2:
        raise WrongCall("batch_size must be at least 2: the other pairs of a batch are what a pair is told from.")
    root = None if recipe.root is None else str(Path(folder) / recipe.root)
    tables = [load_table(spec.train, folder=folder, root=root) for spec in recipe.pairs]
    held_out = [load_table(spec.validation, folder=folder, root=root) for spec in recipe.pairs if spec.validation]
    torch.manual_seed(recipe.training.seed)  # the towers' initial weights
    new = {modality: _build(spec) for modality, spec in recipe.towers.items()}
    for modality, tower in new.items():
        if tower.modality != modality:
            raise WrongCall(f"tower {recipe.towers[modality].tower!r} is one of {tower.modality}, not of {modality}.")
    start = None if recipe.start is None else Path(folder) / recipe.start
    towers: dict[str, Tower] = {**new, **_kept(start, recipe, [*tables, *held_out], out)}
    for table in tables:
        if not new.keys() & _columns(table, towers):
            raise WrongCall(f"a table of {' and '.join(table.columns)} trains nothing: `start` keeps both as they are.")
    if alone := [modality for modality in new if not any(modality in table.columns for table in tables)]:
        raise WrongCall(f"no table has pairs of {', '.join(alone)}: give one, or leave that tower out.")
    _prepare(new, tables)
    model = _Model(recipe, towers)
    run = Path(run or out / "run")
    with processes().main_process_first():  # of several processes one embeds, the others open what it wrote
        training = [_pair_table(towers, table, run / f"train-{k}", quiet=quiet) for k, table in enumerate(tables)]
        validation = [
            _pair_table(towers, table, run / f"validation-{k}", quiet=quiet) for k, table in enumerate(held_out)
        ]
    # Whatever the weights depend on: a run is continued on the same alone.
    data = [{m: checksum(table.columns[m]) for m in _columns(table, towers)} for table in (*tables, *held_out)]
    of = {
        **recipe.model_dump(mode="json"),
        "data": data,
        "identities": {m: checksum([t.identity()]) for m, t in towers.items()},
    }
    result = _train(recipe, model, training, validation, run, of=of, quiet=quiet)
    measured = _measure(model, validation)
    saved = {m: (recipe.towers[m].tower, tower, recipe.head_of(m), model.heads[m]) for m, tower in new.items()}
    save_connected(
        out,
        recipe.name,
        recipe.dim,
        saved,  # type: ignore[arg-type]
        start=start,
        dtype=torch.float16 if recipe.weights == "float16" else torch.float32,
        trained_on=[spec.train for spec in recipe.pairs],
        measured={"steps": result.steps, "seconds": round(result.seconds, 1), "validation": measured},
    )
    return measured


def _kept(start: Path | None, recipe: ConnectRecipe, tables: Sequence[Table], out: Path) -> Mapping[str, Tower]:
    """The towers of `start` that the tables ask for."""
    if start is None:
        return {}
    if start.resolve() == out.resolve():
        raise WrongCall(f"{out} is the space to start from: give the new one a folder of its own.")
    asked = [modality for table in tables for modality in table.columns]
    return frozen_towers(start, recipe.dim, new=list(recipe.towers), asked=asked)


def _build(spec: TowerSpec) -> Tower:
    try:
        return load_tower(spec.tower, **spec.options)
    except C3Error:
        raise
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:  # of torch, from deep inside
        raise C3Error(f"tower {spec.tower!r} cannot be built: {error}. Check its options.") from error


def _prepare(towers: Mapping[str, Tower], tables: Sequence[Table]) -> None:
    """Let each trained tower see its modality's items once: one for text may learn its vocabulary so."""
    for modality, tower in towers.items():
        if tower.frozen:
            continue
        reader = tower.reader()
        sources = (source for table in tables for source in table.columns.get(modality, ()))
        tower.prepare(item for item in map(reader, sources) if not isinstance(item, BadItem))


def _columns(table: Table, towers: Mapping[str, Tower]) -> list[str]:
    """The two columns of a table that there are towers for."""
    names = [modality for modality in table.columns if modality in towers]
    if len(names) != 2:
        columns = ", ".join(table.columns)
        raise WrongCall(f"a table of pairs needs columns for two of {', '.join(towers)}; it has {columns}.")
    return names


def _pair_table(towers: Mapping[str, Tower], table: Table, folder: Path, *, quiet: bool) -> PairDataset:
    names = _columns(table, towers)
    x, y = (ColumnDataset(towers[name], table.columns[name], folder / name, quiet=quiet) for name in names)
    return PairDataset((names[0], x), (names[1], y))


def _embed(
    model: _Model, side: tuple[str, ColumnDataset], rows: Sequence[int], generator: torch.Generator | None
) -> Tensor:
    """Unit embeddings (n, dim) of some rows of a column; with a generator, augmented for training."""
    modality, column = side
    device = model.temperature.log_scale.device
    if column.features is not None:
        batch = column.features[torch.tensor(rows)]
    else:
        batch = column.tower.collate([column.items[row] for row in rows])
        if generator is not None:
            batch = column.tower.augment(batch, generator)
    embeddings: Tensor = model(modality, to_device(batch, device), features=column.features is not None)
    return embeddings


def _train(
    recipe: ConnectRecipe,
    model: _Model,
    tables: list[PairDataset],
    held_out: list[PairDataset],
    run: Path,
    *,
    of: Mapping[str, Any],
    quiet: bool,
) -> TrainingResult:
    options = recipe.training
    sizes = [min(options.batch_size, len(table)) for table in tables]
    per_table = [len(table) // size for table, size in zip(tables, sizes, strict=True)]

    def rows(epoch: int) -> Iterator[tuple[int, list[int]]]:
        """Batches of all tables, spread evenly over the epoch."""
        generator = torch.Generator().manual_seed(seed_of(options.seed, epoch))
        orders = [
            _shuffled(len(table), spec.neighbours, generator) for table, spec in zip(tables, recipe.pairs, strict=True)
        ]
        batches = [((b + 0.5) / n, t, b) for t, n in enumerate(per_table) for b in range(n)]
        for _, t, b in sorted(batches):
            yield t, orders[t][b * sizes[t] : (b + 1) * sizes[t]]

    def batch(
        chosen: tuple[int, list[int]], generator: torch.Generator
    ) -> tuple[PairDataset, list[int], list[int], Any]:
        table = tables[chosen[0]]
        return table, *table.draw(chosen[1], generator), generator

    def loss(table: PairDataset, x: list[int], y: list[int], generator: torch.Generator) -> Tensor:
        embeddings = _embed(model, table.x, x, generator), _embed(model, table.y, y, generator)
        return info_nce(*embeddings, model.temperature())

    def validate() -> float:
        """One minus the mean R@1 over both directions of every held-out table."""
        figures = [
            figure for entry in _measure(model, held_out).values() for figure in (entry["x_to_y"], entry["y_to_x"])
        ]
        return 1 - sum(figures) / len(figures)

    objective = Objective("contrastive", [p for p in model.parameters() if p.requires_grad], loss)
    job = TrainingTask(
        model,
        [objective],
        rows,
        batch,
        sum(per_table),
        validate if held_out else None,
        label=f"connecting {recipe.name}",
    )
    return train(job, options, run, recipe=of, quiet=quiet)


def _shuffled(count: int, neighbours: int, generator: torch.Generator) -> list[int]:
    """0 … count − 1 in random order, but for runs of `neighbours`, which stay together."""
    first = torch.randperm(-(-count // neighbours), generator=generator) * neighbours
    rows = (first.unsqueeze(1) + torch.arange(neighbours)).flatten()
    shuffled: list[int] = rows[rows < count].tolist()
    return shuffled


def _measure(model: _Model, tables: Sequence[PairDataset]) -> dict[str, dict[str, float]]:
    """R@1 in both directions (one partner an item), the gap between the means and the mean cosine of pairs, for each
    table.
    """
    model.eval()
    measured = {}
    for number, table in enumerate(tables, start=1):
        x_rows, y_rows = table.draw(range(len(table)), torch.Generator().manual_seed(0))
        sides = []
        with torch.no_grad():
            for side, rows in ((table.x, x_rows), (table.y, y_rows)):
                pieces = [_embed(model, side, rows[i : i + 256], None) for i in range(0, len(rows), 256)]
                sides.append(torch.cat(pieces).float().cpu())
        x, y = sides
        figures = retrieval_metrics(x, y)
        pair = f"{table.x[0]}-{table.y[0]}"
        measured[f"{pair} ({number})" if pair in measured else pair] = {
            "x_to_y": figures["x_to_y"]["r1"],
            "y_to_x": figures["y_to_x"]["r1"],
            "gap": float((x.mean(0) - y.mean(0)).norm()),
            "pair_cosine": float((x * y).sum(-1).mean()),
            "noise_std": float(((x - y) - (x - y).mean(0)).std()),
        }
    return measured

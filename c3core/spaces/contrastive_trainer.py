"""Train a space on pairs by a recipe: `c3 connect`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from c3core.contracts import BadItem, Objective, Tower
from c3core.data.fingerprint import checksum
from c3core.data.tables import Table, load_table
from c3core.errors import WrongCall, library_errors
from c3core.io.files import sha256
from c3core.io.layout import SPACE, path_of, without_folders
from c3core.registry.factory import load_tower
from c3core.runtime.devices import processes
from c3core.spaces.contrastive import ContrastiveModel, Temperature
from c3core.spaces.dataset import ColumnDataset, PairBatches, PairDataset
from c3core.spaces.frozen import FrozenTower, frozen_towers
from c3core.spaces.head import Head
from c3core.spaces.loading import space_folder
from c3core.spaces.recipe import ConnectRecipe
from c3core.spaces.serialization import SpaceManifest, TowerSpec, load_connected, save_connected
from c3core.statistics.familiarity import Familiarity
from c3core.training.run_folder import is_finished, mark_finished
from c3core.training.task import TrainingResult, TrainingTask
from c3core.training.trainer import train

RUN = "run"  # in the folder of a space: the checkpoints, metrics and features of its training

Figures = dict[str, dict[str, float]]


def connect(
    recipe: ConnectRecipe,
    out: str | Path,
    *,
    folder: str | Path = "",
    quiet: bool = False,
) -> Figures:
    """Train a space, write it to the folder `out`, and return its validation figures by pair of modalities.

    `out/run` keeps what a killed run resumes from. Paths in the recipe are relative to `folder`. Pairs with an
    unreadable source are left out with a warning. If `out` holds the finished space of an equal recipe and data,
    nothing is trained, and no tower is loaded.

    Raises `WrongCall` if the recipe does not fit its tables or its base space, and if `out` holds a run of another
    recipe or of other data.
    """
    out, folder = path_of(out), path_of(folder)
    run = out / RUN
    if recipe.training.batch_size < 2:
        raise WrongCall("batch_size must be at least 2: a pair is contrasted with the other pairs of its batch.")
    base_space = None if recipe.base_space is None else space_folder(recipe.base_space, folder)
    if base_space is not None and base_space.resolve() == out.resolve():
        raise WrongCall(f"{out} is the base space itself. Write the new space to another folder.")
    training, validation = _load_tables(recipe, folder)
    described = _describe(recipe, folder, [*training, *validation])
    if is_finished(run, described, out / SPACE):
        figures: Figures = SpaceManifest.read(out).measured.get("validation", {})
        return figures
    torch.manual_seed(recipe.training.seed)  # the towers' initial weights
    new_towers = _load_towers(recipe.towers)
    towers = {**new_towers, **_base_towers(recipe, base_space, [*training, *validation])}
    _check_tables(training, new_towers, towers)
    _prepare(new_towers, training)
    model = _model(recipe, towers)
    with processes().main_process_first():  # one process computes the features, the others read them
        training_pairs, validation_pairs = (
            [_pairs(towers, table, run / f"{name}-{k}", quiet=quiet) for k, table in enumerate(tables)]
            for name, tables in (("train", training), ("validation", validation))
        )
    # A run resumes only with an equal configuration.
    configuration = {**described, "identities": {m: checksum([tower.identity()]) for m, tower in towers.items()}}
    result = _train(recipe, model, training_pairs, validation_pairs, run, configuration=configuration, quiet=quiet)
    measured = _measure(model, validation_pairs)
    if not processes().is_main_process:
        return measured
    known = _familiarity(model, validation_pairs)
    if base_space is not None:
        known |= load_connected(base_space).familiar
    save_connected(
        out,
        recipe.name,
        recipe.dim,
        {m: (recipe.towers[m].tower, tower, recipe.head_of(m), model.heads[m]) for m, tower in new_towers.items()},
        base_space=base_space,
        dtype=torch.float16 if recipe.weights == "float16" else torch.float32,
        trained_on=without_folders([spec.train for spec in recipe.pairs]),
        measured={"steps": result.steps, "seconds": round(result.seconds, 1), "validation": measured},
        familiar=known,
    )
    mark_finished(run, described, out / SPACE)
    return measured


def _load_tables(recipe: ConnectRecipe, folder: str | Path) -> tuple[list[Table], list[Table]]:
    """Load the tables to train on, and those to validate on."""
    root = None if recipe.root is None else str(Path(folder) / recipe.root)

    def load(names: Iterable[str | None]) -> list[Table]:
        return [load_table(name, folder=folder, root=root).head(recipe.limit) for name in names if name]

    return load(spec.train for spec in recipe.pairs), load(spec.validation for spec in recipe.pairs)


def _describe(recipe: ConnectRecipe, folder: str | Path, tables: Sequence[Table]) -> dict[str, Any]:
    """Return all that a finished space depends on, as far as can be told without loading a tower."""
    base = None if recipe.base_space is None else space_folder(recipe.base_space, folder) / SPACE
    return {
        **recipe.model_dump(mode="json"),
        "data": [{name: checksum(column) for name, column in table.columns.items()} for table in tables],
        "base": sha256(base) if base is not None and base.is_file() else None,
    }


def _load_towers(specs: Mapping[str, TowerSpec]) -> dict[str, Tower]:
    towers = {}
    for modality, spec in specs.items():
        with library_errors(f"tower {spec.tower!r} cannot be built", "Check its options."):
            towers[modality] = load_tower(spec.tower, **spec.options)
        if towers[modality].modality != modality:
            raise WrongCall(f"tower {spec.tower!r} is for {towers[modality].modality}, not for {modality}.")
    return towers


def _base_towers(recipe: ConnectRecipe, base_space: Path | None, tables: Sequence[Table]) -> dict[str, FrozenTower]:
    """Load the encoders of the base space that the tables have columns for."""
    if base_space is None:
        return {}
    columns = {modality for table in tables for modality in table.columns}
    return frozen_towers(base_space, recipe.dim, replaced=recipe.towers.keys(), wanted=columns)


def _check_tables(tables: Sequence[Table], new_towers: Mapping[str, Tower], towers: Mapping[str, Tower]) -> None:
    """Raise a `WrongCall` if a table trains no tower, or a tower has no table."""
    for table in tables:
        if not new_towers.keys() & _columns(table, towers):
            modalities = " and ".join(table.columns)
            raise WrongCall(f"a table of {modalities} trains nothing: the base space has both, and keeps them frozen.")
    if unused := [modality for modality in new_towers if not any(modality in table.columns for table in tables)]:
        raise WrongCall(f"no table has pairs of {', '.join(unused)}. Add one, or leave that tower out.")


def _prepare(towers: Mapping[str, Tower], tables: Sequence[Table]) -> None:
    """Show each trained tower its training items once, so that it can learn a vocabulary."""
    for modality, tower in towers.items():
        if not tower.frozen:
            items = map(tower.reader(), (source for table in tables for source in table.columns.get(modality, ())))
            tower.prepare(item for item in items if not isinstance(item, BadItem))


def _model(recipe: ConnectRecipe, towers: Mapping[str, Tower]) -> ContrastiveModel:
    torch.manual_seed(recipe.training.seed)  # the heads' initial weights
    heads = {
        modality: nn.Identity()
        if isinstance(tower, FrozenTower)
        else Head(tower.width, recipe.dim, **recipe.head_of(modality).model_dump())
        for modality, tower in towers.items()
    }
    return ContrastiveModel(towers, heads, Temperature(recipe.temperature, learned=recipe.learn_temperature))


def _columns(table: Table, towers: Mapping[str, Tower]) -> list[str]:
    """Return the two columns of a table that there are towers for."""
    names = [modality for modality in table.columns if modality in towers]
    if len(names) != 2:
        columns = ", ".join(table.columns)
        raise WrongCall(f"a table of pairs needs columns for two of {', '.join(towers)}; it has {columns}.")
    return names


def _pairs(towers: Mapping[str, Tower], table: Table, folder: Path, *, quiet: bool) -> PairDataset:
    x, y = (
        ColumnDataset(towers[name], table.columns[name], folder / name, quiet=quiet) for name in _columns(table, towers)
    )
    return PairDataset(x, y)


def _train(
    recipe: ConnectRecipe,
    model: ContrastiveModel,
    training: Sequence[PairDataset],
    validation: Sequence[PairDataset],
    run: Path,
    *,
    configuration: Mapping[str, Any],
    quiet: bool,
) -> TrainingResult:
    neighbours = [spec.neighbours for spec in recipe.pairs]
    options = recipe.training
    batches = PairBatches(training, neighbours, batch_size=options.batch_size, seed=options.seed)

    def batch(chosen: tuple[PairDataset, list[int]], generator: torch.Generator) -> tuple[Any, ...]:
        pairs, groups = chosen
        return pairs, *pairs.draw(groups, generator), generator

    def validate() -> float:
        """Return one minus the mean recall at 1 over both directions of every table."""
        recalls = [recall for figures in _measure(model, validation).values() for recall in list(figures.values())[:2]]
        return 1 - sum(recalls) / len(recalls)

    task = TrainingTask(
        model,
        [Objective("contrastive", [p for p in model.parameters() if p.requires_grad], model.loss)],
        batches.epoch,
        batch,
        len(batches),
        validate if validation else None,
        label=f"connecting {recipe.name}",
    )
    return train(task, options, run, recipe=configuration, quiet=quiet)


def _familiarity(model: ContrastiveModel, tables: Sequence[PairDataset]) -> dict[str, Familiarity]:
    """What tells items that are unlike the held-out ones, by modality. Those of the training lie nearer by it."""
    embeddings: dict[str, list[Tensor]] = {}
    for column in (column for pairs in tables for column in (pairs.x, pairs.y)):
        rows = sorted(set(column.rows) - {-1})
        embeddings.setdefault(column.tower.modality, []).append(model.embed_all(column, rows))
    found = {modality: Familiarity.of(torch.cat(several)) for modality, several in embeddings.items()}
    return {modality: one for modality, one in found.items() if one is not None}


def _measure(model: ContrastiveModel, tables: Sequence[PairDataset]) -> Figures:
    """Measure each table. A second one of the same modalities is numbered."""
    measured: Figures = {}
    for number, table in enumerate(tables, start=1):
        name = f"{table.name} ({number})" if table.name in measured else table.name
        measured[name] = model.measure(table)
    return measured

"""Recipes: whole experiments as YAML files that are checked before any work."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from c3core.data.pairs import Pairs
from c3core.data.tables import Table, load_table
from c3core.errors import C3Error, WrongCall
from c3core.io.layout import path_of
from c3core.io.validation import PathField, checked
from c3core.io.yaml_text import load_yaml
from c3core.spaces.recipe import ConnectRecipe
from c3core.training.options import TrainingOptions

Model = TypeVar("Model", bound=BaseModel)


class Named(BaseModel, extra="allow"):
    """A bridge or a decoder by its name, with its options: `gpt2`, or `{name: gpt2, prefix_length: 4}`."""

    name: str

    @model_validator(mode="before")
    @classmethod
    def _name_or_fields(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if (isinstance(value, dict) and "name" in value) or isinstance(value, cls):
            return value
        raise ValueError("give a name, or a name with options as in {name: gpt2, prefix_length: 4}")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _inputs(value: Any) -> Any:
    if isinstance(value, str):
        return os.path.expanduser(value)
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return [os.path.expanduser(name) for name in value]
    raise ValueError("give an input (a file, a folder, a list, table.csv:column), or a list of them")


def _held_out(value: Any) -> Any:
    return PairsRecipe.model_validate(value) if isinstance(value, dict | PairsRecipe) else _inputs(value)


Inputs = Annotated[str | list[str], BeforeValidator(_inputs)]  # pydantic would report an error for each type


class PairsRecipe(BaseModel, extra="forbid"):
    """Pairs from a table: the columns of the sources (named after their modality) and the targets.

    `item` is the column that tells which rows belong together, by default `source`. Only a `fraction` of the items is
    used, chosen with `seed`. With `noise: false` the bridge adds no noise to the sources. If `source` and `target` are
    one column of text, each text is paired with each other text of the same `item`, as for WS-ClipCap-Multi.
    """

    table: PathField = Field(description="a CSV or a table of a plugin; its columns are modalities")
    source: str = Field(description="column of the inputs")
    target: str = Field(description="column of the outputs, the decoder's modality")
    item: str | None = Field(None, description="column that tells which rows belong together; null: `source`")
    fraction: float = Field(1.0, gt=0, le=1, description="share of the items that is used")
    seed: int = Field(0, description="seed that draws the share")
    noise: bool = Field(True, description="false: the bridge adds no noise to the sources")

    def load(self, folder: Path, root: str | None = None, *, limit: int | None = None) -> Pairs:
        """Load the pairs, or those of the first `limit` items. `folder` is the recipe's.

        Raises `C3Error` for a wrong table or column.
        """
        table = load_table(self.table, folder=folder, root=root)
        source, target = table.named(self.source), table.named(self.target)
        same = source == target
        if same and self.item is None:
            raise WrongCall("pairs of one column with itself need `item`: which rows belong together.")
        rows = [*zip(table.column(source), table.column(target), strict=True)]
        items = Table({"item": table.column(self.item or source), "row": rows}).grouped(by="item", of="row")
        pairs = []
        for item, own in self._share(items)[:limit]:
            couples = [(one, other) for one, _ in own for other, _ in own if one != other] if same else own
            pairs += [(item, *couple) for couple in couples]
        names, sources, targets = ([pair[place] for pair in pairs] for place in range(3))
        return Pairs(sources, source, targets, item=names, noise=self.noise)

    def _share(self, items: list[Any]) -> list[Any]:
        if not items:
            raise C3Error(f"{self.table} has no rows to take pairs from.")
        chosen = sorted(random.Random(self.seed).sample(range(len(items)), max(1, round(self.fraction * len(items)))))
        return [items[k] for k in chosen]


class FitRecipe(BaseModel, extra="forbid"):
    """The recipe of `c3 fit`.

    `items` maps a modality to inputs as for `c3 embed`, to a store's folder, or to `plugin:argument`, a table of a
    plugin. `features` is the `run` folder of the `c3 connect` that made the space: the features that its frozen towers
    computed there are reused. `start` is a pipeline to train further, by folder or name, with its own space, bridge and
    decoder; then `bridge` replaces its bridge by one fitted on `items`, `decoder` changes how its decoder is trained,
    and `training: null` trains nothing but adds the modalities of `items` to its bridge. Paths are relative to the
    recipe's folder; those in lists and tables to the list or table, or to `root`. With `limit` only the first items of
    each modality, and the pairs of the first items, are used: to try a recipe.
    """

    space: PathField | None = Field(None, description="a space by name, or the folder that `c3 connect` wrote")
    features: PathField | None = Field(
        None, description="the `run` folder of `c3 connect`: reuse the features that its frozen towers computed"
    )
    bridge: Named = Field(Named(name="c3"), description="a bridge by name, with its options")
    decoder: Named = Field(Named(name="gpt2"), description="a decoder by name, with its settings")
    items: dict[str, Inputs] = Field({}, description="what each modality is learned from, not paired")
    pairs: PairsRecipe | None = Field(None, description="pairs, for supervised training")
    validation: Annotated[PairsRecipe | str | list[str], BeforeValidator(_held_out)] | None = Field(
        None, description="held-out items of the decoder's modality, or pairs; null: a share of the training's"
    )
    start: PathField | None = Field(None, description="a pipeline to train further, by folder or name, not `space`")
    root: PathField | None = Field(None, description="the folder that paths in lists and tables start at")
    limit: int | None = Field(None, ge=1, description="use only the first items of each modality")
    training: TrainingOptions | None = Field(TrainingOptions(), description="null: only add modalities to the bridge")
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    precision: str = Field("float32", description="of the encoders: float32, bfloat16 or float16")

    @model_validator(mode="after")
    def _fields_fit_together(self) -> FitRecipe:
        for name in ("space", "condition_dim"):
            if name in self.decoder.options:
                raise ValueError(f"decoder.{name} is the pipeline's own: leave it out")
        if (self.space is None) == (self.start is None):
            raise ValueError("give either space (a fresh pipeline) or start (one to train further)")
        if self.training is None:
            if self.start is None or not self.items:
                raise ValueError("training: null adds modalities to a trained pipeline: give start, and items of each")
            if trained := {"bridge", "decoder", "pairs", "validation"} & self.model_fields_set:
                raise ValueError(f"training: null adds modalities and no more: leave out {', '.join(sorted(trained))}")
        if not self.items and self.pairs is None:
            raise ValueError("give items, or pairs, to train on")
        return self

    def root_from(self, folder: Path) -> str | None:
        """The path of `root`, relative to the recipe's folder."""
        return None if self.root is None else str(folder / self.root)


COMMANDS: dict[str, type[BaseModel]] = {"connect": ConnectRecipe, "fit": FitRecipe}  # by the command that takes each


def dry_run(recipe: Model) -> Model:
    """A recipe that tries all of another in a moment: with its first 32 items or pairs, for two steps.

    A recipe without `training`, as that of a decoder that is not trained, keeps its defaults: few steps for 32 items.
    """
    own: Any = recipe.model_copy(deep=True)
    own.limit = 32
    if own.training is not None and "training" in recipe.model_fields_set:
        own.training.steps = 2
    trial: Model = own
    return trial


def read_recipe(path: str | Path, model: type[Model], *, changes: Mapping[str, Any] | None = None) -> Model:
    """Read a recipe from a YAML file. Raises `WrongCall` with the file, and the field or line that is wrong.

    `changes` replace fields, named as in "training.steps" or "decoder.model".
    """
    path = path_of(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongCall(f"no recipe at {path}. Check the file's name.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise WrongCall(f"{path} cannot be read as text ({why}). A recipe is a YAML file.") from None
    values = load_yaml(text, str(path))
    if not isinstance(values, dict):
        raise WrongCall(f"{path} is no recipe: it must hold fields, as in `space: playground`.")
    for name, value in (changes or {}).items():
        _change(values, name.split("."), value)
    _refuse_other_kind(path, model, values)
    return checked(model, values, what=str(path))


def _refuse_other_kind(path: Path, model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Refuse a recipe whose fields are rather those of another command's."""
    for command, other in COMMANDS.items():
        theirs, own = other.model_fields.keys(), model.model_fields.keys()
        if len(values.keys() & (theirs - own)) > len(values.keys() & (own - theirs)):
            raise WrongCall(f"{path} is a recipe for `c3 {command}`. Run: c3 {command} {path} --out FOLDER.")


def _change(values: dict[str, Any], names: list[str], value: Any) -> None:
    """Set the field that `names` lead to. A bridge or decoder that is only a name becomes one with options."""
    for name in names[:-1]:
        inner = values.get(name)
        values[name] = {"name": inner} if isinstance(inner, str) else {} if inner is None else inner
        values = values[name]
        if not isinstance(values, dict):
            raise WrongCall(f"{'.'.join(names)} cannot be set: {name} has no fields in the recipe.")
    values[names[-1]] = value

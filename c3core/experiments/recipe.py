"""Recipes: whole experiments as validated YAML files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from yaml.constructor import ConstructorError

from c3core.data.pairs import Pairs
from c3core.data.tables import Table
from c3core.errors import C3Error, WrongCall
from c3core.io.validation import checked
from c3core.training.options import TrainingOptions

Model = TypeVar("Model", bound=BaseModel)


class Named(BaseModel):
    """A thing by name with options of its own: `gpt2`, or `{name: gpt2, prefix_length: 4}`."""

    model_config = ConfigDict(extra="allow")

    name: str

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if (isinstance(value, dict) and "name" in value) or isinstance(value, cls):
            return value
        raise ValueError("give a name, or a name with options as in {name: gpt2, prefix_length: 4}")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _inputs(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)):
        return value
    raise ValueError("give an input (a file, a folder, a list, table.csv:column), or a list of them")


def _held_out(value: Any) -> Any:
    return PairsRecipe.model_validate(value) if isinstance(value, dict | PairsRecipe) else _inputs(value)


Inputs = Annotated[
    str | list[str], BeforeValidator(_inputs)
]  # in one line of its own words, where pydantic has one a type


class PairsRecipe(BaseModel):
    """Pairs from a table: the column of the sources (named after their modality), that of the targets, and a share of
    its items.

    `item` is the column that says which rows belong together; by default the sources'. With `source` and `target` the
    same text column, each text goes with another text of the same `item`: WS-ClipCap-Multi.
    """

    model_config = ConfigDict(extra="forbid")

    table: str
    source: str
    target: str
    item: str | None = None
    fraction: float = Field(1.0, gt=0, le=1)
    seed: int = 0

    def load(self, folder: Path, root: str | None = None) -> Pairs:
        """The pairs; the share is of items, chosen by the seed. `folder` is the recipe's."""
        from c3core.data.tables import load_table

        table = load_table(self.table, folder=folder, root=root)
        source, target = table.named(self.source), table.named(self.target)
        alike = source == target
        if alike and self.item is None:
            raise WrongCall(
                "pairs of one column with itself need `item`: the column that says which rows belong together."
            )
        rows = [*zip(table.column(source), table.column(target), strict=True)]
        items = Table({"item": table.column(self.item or source), "row": rows}).grouped(by="item", of="row")
        pairs = []
        for item, own in self._share(items):
            couples = [(one, other) for one, _ in own for other, _ in own if one != other] if alike else own
            pairs += [(item, *couple) for couple in couples]
        return Pairs([pair[1] for pair in pairs], source, [pair[2] for pair in pairs], item=[pair[0] for pair in pairs])

    def _share(self, items: list[Any]) -> list[Any]:
        if not items:
            raise C3Error(f"{self.table} has no rows to take pairs from.")
        chosen = sorted(random.Random(self.seed).sample(range(len(items)), max(1, round(self.fraction * len(items)))))
        return [items[k] for k in chosen]


class FitRecipe(BaseModel):
    """The recipe of `c3 fit`: what is fitted on what.

    `items` maps a modality to inputs (as `c3 embed` takes them), a store's folder, or `plugin:argument` for a table
    that a plugin makes. `start` is a pipeline to train further, by folder or name: then space, bridge and decoder are
    its own; `bridge` gives it another one, fitted on `items`, and `decoder` may change how that decoder is trained.
    `training: null` beside it trains nothing: the bridge learns the modalities of `items`, which it did not know.
    `root` is where the paths inside lists and tables start; by default at each of them.
    """

    model_config = ConfigDict(extra="forbid")

    space: str | None = None
    bridge: Named = Named(name="c3")
    decoder: Named = Named(name="gpt2")
    items: dict[str, Inputs] = {}
    pairs: PairsRecipe | None = None
    validation: Annotated[PairsRecipe | str | list[str], BeforeValidator(_held_out)] | None = None
    start: str | None = None
    root: str | None = None
    training: TrainingOptions | None = TrainingOptions()
    device: str = "auto"
    precision: str = "float32"

    @model_validator(mode="after")
    def _whole(self) -> FitRecipe:
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
        """`root` from the recipe's folder."""
        return None if self.root is None else str(folder / self.root)


MERGE = "tag:yaml.org,2002:merge"  # of `<<`, which may stand several times


class _Once(yaml.SafeLoader):
    """Safe YAML whose fields are given once: of two with one name PyYAML would keep the last and say nothing."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        given = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if (key.tag, key.value) in given:
                raise ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            given.add((key.tag, key.value))
        return node


def read_recipe(path: str | Path, model: type[Model]) -> Model:
    """A recipe from a YAML file; a `C3Error` names the file, and the field or line that is wrong."""
    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Once)
    except FileNotFoundError:
        raise WrongCall(f"no recipe at {path}. Check the file's name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongCall(
            f"{path} cannot be read as text ({getattr(error, 'strerror', None) or error}). A recipe is a YAML file."
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # a date that there is not is the latter
        mark = getattr(error, "problem_mark", None)
        why = f"line {mark.line + 1}: {error.problem}" if mark else " ".join(str(error).split())  # type: ignore[union-attr]
        raise WrongCall(f"{path} is no valid YAML: {why}") from None
    if not isinstance(values, dict):
        raise WrongCall(f"{path} is no recipe: it must hold fields, as in `space: playground`.")
    return checked(model, values, what=str(path))

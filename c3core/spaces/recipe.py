"""The recipe of `c3 connect`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from c3core.io.validation import PathField
from c3core.spaces.serialization import HeadSpec, TowerSpec
from c3core.training.options import TrainingOptions


class PairsSpec(BaseModel):
    """A table of pairs to train on, and one to validate on: CSV files, or `plugin:argument`. Columns are modalities.

    `neighbours` items that follow one another in the table stay together in a batch. If they are much alike, they are
    hard negatives, from which the space learns small differences.
    """

    model_config = ConfigDict(extra="forbid")

    train: PathField
    validation: PathField | None = None
    neighbours: int = Field(1, ge=1)


class ConnectRecipe(BaseModel):
    """The recipe of `c3 connect`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    dim: int = Field(256, ge=1, le=1 << 16)
    base_space: PathField | None = (
        None  # the folder of a space to which the towers are connected; its encoders stay frozen
    )
    towers: dict[str, TowerSpec] = Field(min_length=1)
    head: HeadSpec = HeadSpec(hidden=512)
    heads: dict[str, HeadSpec] = {}  # by modality, instead of `head`
    pairs: list[PairsSpec] = Field(min_length=1)
    root: PathField | None = None  # the folder that paths in the tables are relative to; by default the table's
    temperature: float = Field(0.01, gt=0)
    learn_temperature: bool = False
    weights: Literal["float32", "float16"] = "float32"
    training: TrainingOptions = TrainingOptions()

    @model_validator(mode="after")
    def _towers_and_heads(self) -> Self:
        if unknown := self.heads.keys() - self.towers.keys():
            raise ValueError(f"heads: there is no tower for {', '.join(sorted(unknown))}")
        if self.base_space is None and len(self.towers) < 2:
            raise ValueError("a space needs towers for at least two modalities, or a `base_space`")
        return self

    def head_of(self, modality: str) -> HeadSpec:
        return self.heads.get(modality, self.head)

"""The recipe of `c3 connect`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from c3core.io.validation import PathField
from c3core.spaces.serialization import HeadSpec, TowerSpec
from c3core.training.options import TrainingOptions


class PairsSpec(BaseModel, extra="forbid"):
    """A table of pairs to train on, and one to validate on: CSV files, or `plugin:argument`. Columns are modalities.

    `neighbours` items that follow one another in the table stay together in a batch. If they are much alike, they are
    hard negatives, from which the space learns small differences.
    """

    train: PathField = Field(description="a CSV, or a table of a plugin; its columns are modalities")
    validation: PathField | None = Field(None, description="pairs that are held out")
    neighbours: int = Field(1, ge=1, description="consecutive items of the table that stay together in a batch")


class ConnectRecipe(BaseModel, extra="forbid"):
    """The recipe of `c3 connect`."""

    name: str = Field(description="name of the space")
    dim: int = Field(256, ge=1, le=1 << 16, description="size of the embeddings")
    base_space: PathField | None = Field(
        None, description="folder of a space that the towers join; its own encoders stay frozen"
    )
    towers: dict[str, TowerSpec] = Field(min_length=1, description="a tower for each modality, with its options")
    head: HeadSpec = Field(HeadSpec(hidden=512), description="the projection head of each tower")
    heads: dict[str, HeadSpec] = Field({}, description="heads of single modalities, instead of `head`")
    pairs: list[PairsSpec] = Field(min_length=1, description="tables of pairs")
    root: PathField | None = Field(None, description="the folder that paths in the tables start at")
    temperature: float = Field(0.01, gt=0, description="of the contrastive loss")
    learn_temperature: bool = Field(False, description="learn it; this closes the gap between the modalities")
    weights: Literal["float32", "float16"] = Field("float32", description="of the saved files; float16 halves them")
    limit: int | None = Field(None, ge=1, description="the first rows of each table only")
    training: TrainingOptions = Field(TrainingOptions(), description="see below")

    @model_validator(mode="after")
    def _towers_and_heads(self) -> Self:
        if unknown := self.heads.keys() - self.towers.keys():
            raise ValueError(f"heads: there is no tower for {', '.join(sorted(unknown))}")
        if self.base_space is None and len(self.towers) < 2:
            raise ValueError("a space needs towers for at least two modalities, or a `base_space`")
        return self

    def head_of(self, modality: str) -> HeadSpec:
        return self.heads.get(modality, self.head)

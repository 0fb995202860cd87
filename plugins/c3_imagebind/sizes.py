"""Describe the size of a model: the official one, a tiny one, or that of a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from c3core.errors import WrongCall, near
from c3core.io import checked, read_json


class Size(BaseModel):
    """Widths, blocks and heads of each trunk, with the names and defaults of upstream's `ImageBindModel`.

    The other options of that class belong to the preprocessing (frames, mel bins, patches) or to training. They keep
    their defaults.

    >>> Size(text_embed_dim=64, text_num_heads=4).text_num_blocks
    12
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    out_embed_dim: int = Field(768, ge=1)
    vision_embed_dim: int = Field(1024, ge=1)
    vision_num_blocks: int = Field(24, ge=1)
    vision_num_heads: int = Field(16, ge=1)
    text_embed_dim: int = Field(768, ge=1)
    text_num_blocks: int = Field(12, ge=1)
    text_num_heads: int = Field(12, ge=1)
    audio_embed_dim: int = Field(768, ge=1)
    audio_num_blocks: int = Field(12, ge=1)
    audio_num_heads: int = Field(12, ge=1)
    depth_embed_dim: int = Field(384, ge=1)
    depth_num_blocks: int = Field(12, ge=1)
    depth_num_heads: int = Field(8, ge=1)
    thermal_embed_dim: int = Field(768, ge=1)
    thermal_num_blocks: int = Field(12, ge=1)
    thermal_num_heads: int = Field(12, ge=1)
    imu_embed_dim: int = Field(512, ge=1)
    imu_num_blocks: int = Field(6, ge=1)
    imu_num_heads: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Self:
        for trunk in TRUNKS:
            width, heads = (getattr(self, f"{trunk}_{field}") for field in ("embed_dim", "num_heads"))
            if width % heads:
                raise ValueError(f"{trunk}_embed_dim {width} must be a multiple of {trunk}_num_heads {heads}")
        return self


TRUNKS = ("vision", "text", "audio", "depth", "thermal", "imu")

SIZES = {
    "huge": Size(
        out_embed_dim=1024,
        vision_embed_dim=1280,
        vision_num_blocks=32,
        text_embed_dim=1024,
        text_num_blocks=24,
        text_num_heads=16,
    ),
    "tiny": Size(
        out_embed_dim=64,
        **{f"{trunk}_embed_dim": 32 for trunk in TRUNKS},
        **{f"{trunk}_num_blocks": 2 for trunk in TRUNKS},
        **{f"{trunk}_num_heads": 2 for trunk in TRUNKS},
    ),
}


def size_of(name: str) -> Size:
    """The size called `name`, or the size in a .json file. Raises `WrongCall` if there is none."""
    if name in SIZES:
        return SIZES[name]
    if not name.endswith(".json"):
        raise WrongCall(f"ImageBind has no size {name!r}: {near(name, SIZES)} Or give a .json file.")
    values = read_json(Path(name).expanduser())
    return checked(Size, values if isinstance(values, dict) else {"": values}, what=name)

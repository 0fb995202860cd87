"""What a decoder is told: its settings, the options of generating, and both on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

from c3core.io.files import write_json
from c3core.io.validation import read_checked

FILE = "decoder.json"
LARGEST = 1 << 16  # dimensions of a condition: a file that says more is broken


class GenerationOptions(BaseModel, extra="forbid", allow_inf_nan=False):
    """Options of `Decoder.generate`. Each decoder adds its own. Unknown names, infinity and NaN are refused."""

    batch_size: int = Field(64, ge=1, description="outputs made at once")


class DecoderSettings(BaseModel, extra="forbid", allow_inf_nan=False):
    """What a decoder is made of and how it is trained. Each decoder adds its own.

    A run resumes only with equal settings. Unknown names, infinity and NaN are refused.
    """

    generation: dict[str, Any] = Field({}, description="options of generating, unless others are given")

    def to_save(self) -> dict[str, Any]:
        """Return the settings as JSON values, as a saved decoder keeps them."""
        return self.model_dump(mode="json")


class DecoderState(BaseModel, extra="forbid", allow_inf_nan=False, strict=True):
    """What a saved decoder holds beside its settings and weights, such as a count of steps. By default nothing."""


class SavedDecoder(BaseModel, extra="forbid", strict=True):
    """The content of `decoder.json`."""

    condition_dim: int = Field(ge=1, le=LARGEST)
    license: str
    settings: DecoderSettings
    state: DecoderState


def write_saved(folder: Path, condition_dim: int, license: str, settings: DecoderSettings, state: DecoderState) -> None:
    """Write `decoder.json` into a decoder's folder."""
    about = {"condition_dim": condition_dim, "license": license}
    write_json(folder / FILE, {**about, "settings": settings.to_save(), "state": state.model_dump(mode="json")})


def read_saved(folder: Path, name: str, settings: type[DecoderSettings], state: type[DecoderState]) -> SavedDecoder:
    """Read `decoder.json` of a decoder of this name. Raises `C3Error` with the name of each field that is wrong."""
    model = create_model(
        "SavedDecoder", __base__=SavedDecoder, settings=(settings, Field(strict=False)), state=(state, ...)
    )
    return read_checked(model, folder / FILE, of=f"a {name!r} decoder")

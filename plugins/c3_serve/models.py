"""What goes in and comes out as JSON. /openapi.json shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SEEDS = 2**32


class RunOptions(BaseModel):
    """What a request may say beside its items."""

    model_config = ConfigDict(extra="forbid")

    options: dict[str, Any] = Field(
        {}, description="Options of the decoder, such as num_beams. `c3 info PIPELINE --full` lists them."
    )
    seed: int = Field(0, ge=0, lt=SEEDS, description="Seed of random outputs. The same request gives the same outputs.")


class TextRequest(RunOptions):
    """Sentences for the pipeline. A string is always the sentence itself, never the name of a file."""

    inputs: list[str] = Field(min_length=1, description="The sentences.")
    modality: str = Field("text", description="Modality of the sentences.")


class FilesRequest(RunOptions):
    """Files for the pipeline, as a form. `options` is a JSON object."""

    files: list[bytes] = Field(
        min_length=1,
        description="Pictures, sounds or videos. The suffix of a file's name tells its modality.",
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
    )
    modality: str | None = Field(None, description="Modality of all files, if their names do not tell.")


class Made(BaseModel):
    """What was made of one item: `output`, or `error` if it could not be read."""

    output: str | None = Field(
        None, description="A caption; or a file, such as a drawn picture (PNG), in base64. /health tells which."
    )
    score: float | None = Field(None, description="Score of a caption, if the option `scores` asks for it.")
    error: str | None = Field(None, description="Why there is no output.")


class Answer(BaseModel):
    """One entry for each item, in the order of the request."""

    outputs: list[Made]


class Problem(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="What is wrong and what to do, in one line.")


class Health(BaseModel):
    """What is served."""

    status: str = Field(description='"ok" if requests are answered.')
    pipeline: str = Field(description="The name that `c3 serve` was given.")
    takes: list[str] = Field(description="The modalities of items.")
    makes: str = Field(description="The modality of outputs.")
    media_type: str = Field(description="The media type of outputs. All but text/plain come in base64.")

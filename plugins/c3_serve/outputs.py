"""An output of a pipeline as JSON."""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from pathlib import Path
from typing import Any

from c3core.contracts import BadItem, Decoder


def media_type(decoder: Decoder) -> str:
    """The media type of a decoder's outputs."""
    if decoder.suffix is None:
        return "text/plain"
    return mimetypes.guess_type(f"output{decoder.suffix}")[0] or "application/octet-stream"


def as_json(output: Any, decoder: Decoder, folder: Path) -> dict[str, Any]:
    """Return an output as `Made` has it. A file goes by way of `folder`, so that it is what `c3 run` writes."""
    if isinstance(output, BadItem):
        return {"error": output.why}
    if decoder.suffix is None:
        score = getattr(output, "score", None)
        return {"output": str(output)} | ({} if score is None else {"score": score})
    path = folder / f"output{decoder.suffix}"
    decoder.write(output, path)
    return {"output": b64encode(path.read_bytes()).decode("ascii")}

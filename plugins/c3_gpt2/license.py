"""Find the license of a language model's weights."""

from __future__ import annotations

from pathlib import Path

from c3core.io import UNKNOWN_LICENSE, model_license


def license_of(name: str) -> str:
    """Return the license that a GGUF header or a model's card names, or `UNKNOWN_LICENSE` if neither does.

    `name` is a GGUF file, a folder or a hub name. Raises `C3Error` if the hub has no such model or cannot be reached.
    """
    return _from_header(Path(name)) if Path(name).suffix == ".gguf" else model_license(name)


def _from_header(path: Path) -> str:
    try:
        # Takes milliseconds, and gguf.GGUFReader takes seconds.
        from transformers.integrations.gguf.reader import read_gguf_metadata

        metadata, _ = read_gguf_metadata(str(path))
    except Exception:  # a broken file, which loading reports, or a release that reads headers elsewhere
        return UNKNOWN_LICENSE
    return str(metadata.get("general.license") or UNKNOWN_LICENSE)

"""Under which license the weights of a language model stand."""

from __future__ import annotations

from pathlib import Path

from c3core.errors import C3Error, lines_of

UNKNOWN = "see the model's card"


def license_of(name: str) -> str:
    """The license that a model's card or GGUF header names; `UNKNOWN` where neither does.

    `name`: a folder, a GGUF file or a hub name. A hub name that is not in the local cache is looked up: a `C3Error`
    says so where the hub cannot be reached or has no such model.
    """
    path = Path(name)
    if path.suffix == ".gguf":
        return _from_header(path)
    if path.is_dir():
        return _from_card(path / "README.md")
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            card = try_to_load_from_cache(name, "README.md")
            return _from_card(Path(card)) if isinstance(card, str) else UNKNOWN
        card_data = HfApi().model_info(name, timeout=10).card_data
    except Exception as error:  # network, hub and name errors of several libraries
        raise C3Error(
            f"there is no folder {name!r}, and the hub has no such model or cannot be reached ({lines_of(error)[0]}).\n"
            'Give a local folder, a .gguf file, or model="fresh" for a small one that learns from your sentences.'
        ) from error
    return str(getattr(card_data, "license", None) or UNKNOWN)


def _from_card(card: Path) -> str:
    from huggingface_hub import ModelCard

    if not card.is_file():
        return UNKNOWN
    try:
        return str(ModelCard.load(card).data.license or UNKNOWN)
    except Exception:  # a card is prose by anybody: one that cannot be parsed names no license
        return UNKNOWN


def _from_header(path: Path) -> str:
    try:
        # Takes milliseconds where gguf.GGUFReader takes seconds.
        from transformers.integrations.gguf.reader import read_gguf_metadata

        metadata, _ = read_gguf_metadata(str(path))
    except Exception:  # a broken file, of which loading says what is wrong, or a release that reads headers elsewhere
        return UNKNOWN
    return str(metadata.get("general.license") or UNKNOWN)

"""Ask the hub for the license of a model, and whether it can be reached."""

from __future__ import annotations

from pathlib import Path

from c3core.errors import NotReachable, library_errors

UNKNOWN_LICENSE = "unknown: see the model's card"
PATIENCE = 4  # seconds to wait for the hub


def check_hub(name: str, *files: str, advice: str) -> None:
    """Raise `NotReachable` at once if a model is not on this machine, and the hub cannot be reached.

    The libraries that download it would try for up to a minute. The model is on this machine if the hub's cache has one
    of its `files`. `advice` says how to do without the hub. A hub that answers is fine, whatever it says of the model.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    try:
        if not any(isinstance(try_to_load_from_cache(name, file), str) for file in files):
            HfApi().model_info(name, timeout=PATIENCE)
    except (HfHubHTTPError, ValueError):  # it answers, or the name cannot be one: loading says what is wrong
        return
    except Exception as error:  # each release has its own kinds
        raise NotReachable(f"{name} is not on this machine, and the hub cannot be reached. {advice}") from error


def model_license(name: str | Path) -> str:
    """The license that the card of a model names, or `UNKNOWN_LICENSE` if it has no card or the card names none.

    `name` is a folder, or a name on the Hugging Face hub. The hub is asked only for a model that is not in its cache.
    Raises `NotReachable` if the hub has no such model or does not answer.
    """
    if Path(name).expanduser().is_dir():
        return _license_in(Path(name).expanduser() / "README.md")
    from huggingface_hub import HfApi, try_to_load_from_cache

    with library_errors(
        f"there is no folder {str(name)!r}, and the hub has no such model or cannot be reached",
        "Check the name and the network, or give a folder.",
        NotReachable,
    ):
        if isinstance(try_to_load_from_cache(str(name), "config.json"), str):
            card = try_to_load_from_cache(str(name), "README.md")
            return _license_in(Path(card)) if isinstance(card, str) else UNKNOWN_LICENSE
        data = HfApi().model_info(str(name), timeout=PATIENCE).card_data
    return str(getattr(data, "license", None) or UNKNOWN_LICENSE)


def _license_in(card: Path) -> str:
    from huggingface_hub import ModelCard

    if not card.is_file():
        return UNKNOWN_LICENSE
    try:
        return str(ModelCard.load(card).data.license or UNKNOWN_LICENSE)
    except Exception:  # anybody writes cards: one that cannot be parsed names no license
        return UNKNOWN_LICENSE

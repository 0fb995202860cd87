"""Parse the name of a CLIP, as in `clip:ViT-B-32/openai`: an architecture, its weights and options."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import open_clip

from c3core.errors import C3Error, WrongCall, near
from c3core.media import regular_file

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
RANDOM = "random"
FORMS = "clip:ViT-B-32/openai, clip:ViT-B-32//path/to/weights.safetensors, clip:ViT-B-32/random or clip:hf-hub:org/name"

_OPTIONS = re.compile(r"\?((?:seed|frames)=\d+(?:&(?:seed|frames)=\d+)*)$")


@dataclass(frozen=True)
class Name:
    """The parts of a name.

    `model` is a name of open_clip, with `hf-hub:` or `local-dir:` in front for a hub or a folder, or the path of a
    .json file that describes a model. `weights` is a tag of open_clip, "random", the absolute path of a file, or "" for
    a hub and a folder, which hold their weights.
    """

    model: str
    weights: str

    @property
    def is_config(self) -> bool:
        return self.model.endswith(".json")

    @property
    def is_file(self) -> bool:
        return self.weights.endswith(SUFFIXES)

    def __str__(self) -> str:
        return f"clip:{self.model}/{self.weights}" if self.weights else f"clip:{self.model}"


def parse(argument: str) -> tuple[Name, dict[str, int]]:
    """The name and the options (`?seed=1&frames=16`) in what the user wrote after `clip:`.

    Raises `WrongCall` if a model, a tag or a file is unknown, with near names.

    >>> parse("ViT-B-32/random?seed=1")
    (Name(model='ViT-B-32', weights='random'), {'seed': 1})
    """
    options: dict[str, int] = {}
    if found := _OPTIONS.search(argument):
        argument = argument[: found.start()]
        options = {name: int(value) for name, value in parse_qsl(found[1])}
    if argument.startswith("local-dir:"):
        return Name(f"local-dir:{_folder(argument.removeprefix('local-dir:'))}", ""), options
    if argument.startswith("hf-hub:"):
        if not re.fullmatch(r"hf-hub:[\w.-]+/[\w.-]+", argument):
            raise WrongCall(f"{argument!r} is not the name of a model on the hub. Write clip:hf-hub:org/name.")
        return Name(argument, ""), options
    model, _, weights = argument.partition("/")
    known = open_clip.list_models()
    if model in known:
        return Name(model, _weights(model, weights, open_clip.list_pretrained_tags_by_model(model))), options
    if found := re.fullmatch(r"(.*?\.json)(?:/(.*))?", argument):
        return Name(_file(found[1]), _weights(found[1], found[2] or "", [])), options
    raise WrongCall(f"open_clip has no model {model!r}: {near(model, known) if model else f'write {FORMS}'}")


def _weights(model: str, weights: str, tags: list[str]) -> str:
    if not weights:
        some = f"a tag ({', '.join([*tags[:4], '…'] if len(tags) > 4 else tags)}), " if tags else ""
        raise WrongCall(f"{model} needs weights: {some}a file or random. Write {FORMS}.")
    if weights == RANDOM or weights.lower().replace("-", "_") in tags:  # open_clip reads tags so
        return weights
    if os.sep not in weights and not weights.endswith(SUFFIXES) and not Path(weights).exists():
        raise WrongCall(f"{model} has no weights {weights!r}: {near(weights, [*tags, RANDOM])}")
    path = _file(weights)
    if not path.endswith(SUFFIXES):
        raise WrongCall(f"{weights} cannot be read as weights. Give a file that ends in {', '.join(SUFFIXES)}.")
    return path


def _file(path: str) -> str:
    try:
        return regular_file(path)
    except C3Error as error:
        raise WrongCall(f"{path}: {error}. Check the path.") from None


def _folder(path: str) -> str:
    folder = Path(path).expanduser()
    if not (folder / "open_clip_config.json").is_file():
        raise WrongCall(f"{path} is not the folder of an open_clip model: it lacks open_clip_config.json.")
    return os.path.abspath(folder)

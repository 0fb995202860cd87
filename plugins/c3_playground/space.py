"""Load the space that ships with the package, or one like it without training.

`connect.yaml` and `connect_text.yaml` are the recipes that made it.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import torch

from c3_playground.towers.audio import AudioTower
from c3_playground.towers.image import ImageTower
from c3_playground.towers.places import PlacesNet
from c3_playground.towers.sentences import load_net
from c3_playground.towers.text import TextTower
from c3_playground.towers.video import VideoTower
from c3_playground.world import World
from c3core.contracts import Encoder, Space, Tower
from c3core.errors import WrongCall
from c3core.io import load_yaml, short_hash
from c3core.runtime import device_of
from c3core.spaces import ConnectedEncoder, ConnectRecipe, Head, load_connected

FOLDER = Path(__file__).parent / "weights"
RECIPE = Path(__file__).parent / "connect.yaml"
SAMPLES = 100


def load(argument: str, *, device: str = "auto", precision: str = "float32") -> Space:
    """The playground space: text, image, video and audio in 256 dimensions.

    `playground:random`, or `playground:random?seed=1`, is the same network with random weights.
    """
    if found := re.fullmatch(r"random(?:\?seed=(\d{1,10}))?", argument):
        return _random_space(int(found[1] or 0), device, precision)
    if argument:
        raise WrongCall(f"the playground space takes no argument but random, got {argument!r}. Write playground.")
    space = load_connected(FOLDER, device=device, precision=precision, spec="playground")
    space.samples = {modality: partial(_samples, modality) for modality in space.modalities}
    return space


def _samples(modality: str) -> list[Any]:
    """Items of the world that the space was not trained on. Of the sentences, those about pictures come first."""
    if modality == "text":
        shares = {"image": SAMPLES // 2, "video": SAMPLES // 4, "audio": SAMPLES // 4}
        return [sentence for of, count in shares.items() for sentence in World().sentences(count, "test", of)]
    return [item.data for item in World().items(modality, "test", SAMPLES)]


def _random_space(seed: int, device: str, precision: str) -> Space:
    recipe = ConnectRecipe.model_validate(load_yaml(RECIPE.read_text(encoding="utf-8"), str(RECIPE)))
    spec = f"playground:random?seed={seed}" if seed else "playground:random"
    load = partial(_random_encoder, recipe, spec, seed, device=device, precision=precision)
    return Space(spec, recipe.dim, {modality: partial(load, modality) for modality in recipe.towers})


def _random_encoder(
    recipe: ConnectRecipe, spec: str, seed: int, modality: str, *, device: str, precision: str
) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(recipe.towers) * seed + list(recipe.towers).index(modality))
        tower = _random_tower(modality)
        head = Head(tower.width, recipe.dim, **recipe.head_of(modality).model_dump())
    return ConnectedEncoder(
        spec,
        modality,
        tower.to(device_of(device)),
        head.to(device_of(device)),
        dim=recipe.dim,
        fingerprint=short_hash(f"{spec} {modality}"),
        precision=precision,
    )


def _random_tower(modality: str) -> Tower:
    """A tower of the playground with random weights. Those for text and images come with trained ones by default."""
    if modality == "text":
        return TextTower(frozen=False, vocabulary=load_net().vocabulary)
    if modality == "image":
        tower = ImageTower(frozen=False)
        tower.net = PlacesNet()
        return tower
    return VideoTower() if modality == "video" else AudioTower()

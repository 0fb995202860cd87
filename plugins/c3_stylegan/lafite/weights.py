"""Read LAFITE's weights, as `c3 convert` writes them: generator G, its moving average G_ema and discriminator D."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from c3_stylegan.lafite.discriminator import Discriminator
from c3_stylegan.lafite.generator import Generator
from c3_stylegan.lafite.shape import Shape, Sizes, shape_of
from c3core.errors import CorruptFile, WrongCall, library_errors

CONVERT = "Convert the whole .pkl of LAFITE: c3 convert FILE.pkl lafite.safetensors"
NETWORKS: dict[str, type[Generator] | type[Discriminator]] = {"G": Generator, "G_ema": Generator, "D": Discriminator}
FILTER = "resample_filter"  # buffers that all of StyleGAN2's networks have alike


def read_shape(path: Path) -> Shape:
    """Return the shape of the networks in a converted file of LAFITE, after a check of every tensor's name and size.

    Raises `C3Error` for a file of another kind. The tensors themselves are not read.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        problem = "is not a .safetensors file" if path.is_file() else "does not exist"
        raise WrongCall(f"{path} {problem}. {CONVERT}.")
    sizes = read_sizes(path)
    found = {name.partition(".")[0] for name in sizes}
    if missing := [part for part in NETWORKS if part not in found]:
        held = f"It holds {', '.join(sorted(found)[:5])}. " if found else ""
        raise CorruptFile(f"{path} holds no {', '.join(missing)}. {held}{CONVERT}.")
    parts = {part: _without(sizes, f"{part}.") for part in NETWORKS}
    shape = known_shape(parts["G_ema"], path, "G_ema.")
    with torch.device("meta"):
        for part, network in NETWORKS.items():
            expected = {name: tuple(tensor.shape) for name, tensor in network(shape).state_dict().items()}
            _compare(expected, parts[part], path, f"{part}.")
    return shape


def read_sizes(path: Path) -> Sizes:
    """Return the size of each tensor of a safetensors file by name, without those of the filters."""
    with (
        library_errors(f"{path} is missing or truncated", "Copy it again.", CorruptFile),
        safe_open(path, "pt") as file,
    ):
        names = [name for name in file.keys() if not name.endswith(FILTER)]  # noqa: SIM118, it is no dict
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def known_shape(sizes: Sizes, path: Path, prefix: str = "") -> Shape:
    """Return the shape of a generator with tensors of these sizes. Raises `CorruptFile` if it is not LAFITE's."""
    try:
        return shape_of(sizes)
    except (KeyError, IndexError, ValueError) as error:
        what = f"{prefix}{error.args[0]} is missing" if isinstance(error, KeyError) else "its tensors have other shapes"
        raise CorruptFile(f"{path} does not hold LAFITE's network: {what}. {CONVERT}.") from error


def read_networks(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """Copy the tensors of a file that `read_shape` has checked into networks, which are named as in the file."""
    with library_errors(f"{path} is truncated", "Copy it again.", CorruptFile), safe_open(path, "pt") as file:
        for part, network in networks.items():
            tensors = {name: file.get_tensor(f"{part}.{name}") for name in network.state_dict()}
            for name, tensor in tensors.items():
                if not torch.isfinite(tensor).all():
                    raise CorruptFile(f"{path}: {part}.{name} holds NaN or infinite numbers. Copy it again.")
            network.load_state_dict(tensors)


def _without(sizes: Sizes, prefix: str) -> Sizes:
    return {name.removeprefix(prefix): size for name, size in sizes.items() if name.startswith(prefix)}


def _compare(expected: Sizes, found: Sizes, path: Path, prefix: str) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            what = f"has shape {found.get(name)}, expected {expected.get(name)}"
            if name not in expected or name not in found:
                what = "is missing" if name in expected else "is not expected"
            raise CorruptFile(f"{path} does not hold LAFITE's network: {prefix}{name} {what}. {CONVERT}.")

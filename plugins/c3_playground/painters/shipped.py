"""Load the painters that ship with the package, for each of the four methods.

Each decoder was trained twice, only on pictures: without noise for C¹ (connect) and C²₁ (+ collapse), and with noise
for C²₂ (corrupt) and C³ (both). Collapse subtracts the mean of each modality from its embeddings. A method without
collapse uses the same decoder, and subtracts the pictures' mean from the embeddings of every modality.
"""

from __future__ import annotations

from pathlib import Path

from c3_playground.methods import METHODS
from c3core import Pipeline, load_pipeline
from c3core.bridges import C3Bridge
from c3core.contracts import Bridge
from c3core.errors import WrongCall, near

FOLDER = Path(__file__).parent / "weights"
DECODERS = ("stylegan", "diffusion")
NOISY, COLLAPSED = ("c2_2", "c3"), ("c2_1", "c3")


def diffusion() -> Path:
    """The folder of `playground/painter-diffusion`: C³ with the diffusion decoder."""
    return FOLDER / "diffusion"


def stylegan() -> Path:
    """The folder of `playground/painter-stylegan`: C³ with the StyleGAN decoder."""
    return FOLDER / "stylegan"


best = diffusion  # `playground/painter`


def painter(decoder: str, method: str, *, folder: Path = FOLDER) -> Pipeline:
    """The painter of a decoder ("stylegan", "diffusion") and a method ("c1", "c2_1", "c2_2", "c3")."""
    for name, known in ((decoder, DECODERS), (method, METHODS)):
        if name not in known:
            raise WrongCall(f"no painter is called {name!r}: {near(name, known)}")
    pipeline = load_pipeline(folder / (decoder if method in NOISY else f"{decoder}_plain"))
    if method not in COLLAPSED:
        pipeline.bridge = without_collapse(pipeline.bridge)
    return pipeline


def without_collapse(bridge: Bridge) -> Bridge:
    """The bridge that subtracts the target's mean from every modality, so that the gap stays in the conditions."""
    config, state = bridge.config(), bridge.state()
    target = config["target"]
    moved = {
        f"{modality}.{name.removeprefix(f'{target}.')}": value.clone()
        for modality in config["modalities"]
        for name, value in state.items()
        if name.startswith(f"{target}.")
    }
    return C3Bridge.restore(config, state | moved)

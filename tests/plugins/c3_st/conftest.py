"""Small models in the format of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer

from tests.helpers.small_contrastive import make_clap, make_clip


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a small CLIP with a default prompt, and of a small CLAP."""
    root = tmp_path_factory.mktemp("st")
    makers: dict[str, Callable[[Path], Path]] = {"clip": make_clip, "clap": make_clap}
    for name, make in makers.items():
        model = SentenceTransformer(modules=[Transformer(str(make(root / f"{name}-source")))], device="cpu")
        if name == "clip":
            model.prompts, model.default_prompt_name = {"photo": "a photo of "}, "photo"
        model.save(str(root / name))
    return {name: root / name for name in makers}

"""The models that the tests load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.small_contrastive import (
    make_align,
    make_altclip,
    make_clap,
    make_clip,
    make_siglip,
    make_siglip2,
)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a small CLIP, SigLIP, CLAP, ALIGN, AltCLIP and SigLIP 2."""
    root = tmp_path_factory.mktemp("hf")
    return {
        "clip": make_clip(root / "clip"),
        "siglip": make_siglip(root / "siglip"),
        "clap": make_clap(root / "clap"),
        "fused": make_clap(root / "fused", fusion=True),
        "align": make_align(root / "align"),
        "altclip": make_altclip(root / "altclip"),
        "siglip2": make_siglip2(root / "siglip2"),
    }

"""Names of models: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import c3core
from c3_clip.naming import Name, parse
from c3core.errors import C3Error, WrongCall


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("ViT-B-32/openai", (Name("ViT-B-32", "openai"), {})),
        ("ViT-B-32/laion2b-s34b-b79k", (Name("ViT-B-32", "laion2b-s34b-b79k"), {})),  # as open_clip reads tags
        ("ViT-B-32/random?seed=4&frames=2", (Name("ViT-B-32", "random"), {"seed": 4, "frames": 2})),
        ("hf-hub:org/some.name-1", (Name("hf-hub:org/some.name-1", ""), {})),
    ],
)
def test_names_are_parsed(argument: str, expected: Any) -> None:
    assert parse(argument) == expected


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "ViT-B-33/openai",
        "ViT-B-32/opena1",
        "ViT-B-32",
        "ViT-B-32//nowhere/weights.safetensors",
        "ViT-B-32/weights.pt",
        "ViT-B-32//",
        "hf-hub:alone",
        "local-dir:/nowhere",
        "nowhere.json/random",
        "ViT-B-32/random?frames=0",
    ],
)
def test_a_name_that_means_nothing_is_a_wrong_call(argument: str) -> None:
    with pytest.raises(WrongCall):
        c3core.load_space(f"clip:{argument}")


def test_near_models_and_tags_are_offered() -> None:
    with pytest.raises(WrongCall, match="did you mean ViT-B-32"):
        parse("ViT-B-33/openai")
    with pytest.raises(WrongCall, match="did you mean openai"):
        parse("ViT-B-32/opena1")


def test_a_file_that_is_not_weights_by_its_name_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "named.txt").write_bytes((folder / "tiny.pt").read_bytes())
    with pytest.raises(WrongCall, match="cannot be read as weights"):
        parse(f"{folder}/tiny.json/{tmp_path}/named.txt")


def test_paths_may_begin_with_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    name, _ = parse("~/tiny.json/~/tiny.pt")
    assert name == Name(str(folder / "tiny.json"), str(folder / "tiny.pt"))
    assert parse("local-dir:~")[0] == Name(f"local-dir:{folder}", "")


def test_options_are_checked(folder: Path) -> None:
    with pytest.raises(C3Error, match="did you mean seed"):
        c3core.load_space(f"clip:{folder}/tiny.json/random", sead=1)
    with pytest.raises(WrongCall):
        c3core.load_space(f"clip:{folder}/tiny.json/random", seed=-1)

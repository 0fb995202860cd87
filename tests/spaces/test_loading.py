"""A space by its name or its folder, and that a wrong one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from c3core import Space, load_space
from c3core.errors import C3Error, WrongCall
from c3core.registry import discovery, factory
from c3core.registry.registration import Entry
from c3core.spaces import loading
from tests.helpers.spaces import DIM, write_space


def given(argument: str, *, device: str, precision: str, dim: int = 3) -> Space:
    """Return a space whose spec tells what it was made with."""
    return Space(f"own:{argument},{device},{precision}", dim, {})


def misnamed(argument: str, **options: Any) -> Space:
    return Space("other", 3, {})


def none(argument: str, **options: Any) -> None:
    """Forget to return the space."""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    factories = {"own": "given", "misnamed": "misnamed", "none": "none"}
    entries = {
        name: Entry("space", name, f"{__name__}:{made_by}", "test", "test") for name, made_by in factories.items()
    }
    known = loading.registered
    monkeypatch.setattr(loading, "registered", lambda kind: known(kind) | (entries if kind == "space" else {}))
    monkeypatch.setattr(
        factory, "entry", lambda kind, name: entries[name] if kind == "space" else discovery.entry(kind, name)
    )


def test_a_plugin_gets_what_follows_the_colon_and_the_options() -> None:
    assert load_space("own").spec == "own:,auto,float32"
    assert load_space("own:a:b", device="cpu", precision="bfloat16", dim=5).spec == "own:a:b,cpu,bfloat16"
    assert load_space("own", dim=5).dim == 5


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("owm", {}, "no space is called 'owm', and no such folder: did you mean own?"),
        (__file__, {}, f"{__file__} is a file, and a space a name or a folder"),
        ("own:a", {"dmi": 5}, "space 'own:a' has no option 'dmi': did you mean dim?"),
        ("misnamed", {}, "space 'misnamed' says that its spec is 'other'"),
        ("none", {}, "the factory of space 'none' (plugin 'test') gave a NoneType, not a Space."),
        ("own", {"device": "moon"}, "no device is called 'moon'"),
        ("own", {"precision": "flaot16"}, "no precision is called 'flaot16': did you mean float16"),
    ],
)
def test_a_wrong_space_is_named(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(C3Error) as refused:
        load_space(name, **options)
    assert str(refused.value).startswith(says)


def test_a_space_is_loaded_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_space(tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in (folder, str(folder), "~/own", "own"):  # a folder goes before a plugin of its name
        space = load_space(name, device="cpu")
        assert (space.dim, space.device) == (DIM, torch.device("cpu"))
    with pytest.raises(WrongCall, match=rf"^space '{folder}' has no option 'dim'"):
        load_space(folder, dim=3)


def test_a_folder_without_a_space_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="is a folder without a space.json"):
        load_space(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    with pytest.raises(WrongCall, match="holds an unfinished training"):
        load_space(tmp_path)

"""Where a pipeline is loaded from: a folder, a plugin, the hub."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import huggingface_hub as hub
import pytest

from c3core import NotReachable, Pipeline, WrongCall, load_pipeline
from c3core.pipeline.loading import pipeline_folder
from tests.helpers.spaces import fitted, pictures, write_space


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    fitted(write_space(folder / "space")).save_pretrained(folder / "captioner")
    return folder / "captioner"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub, which cannot be reached."""
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_loaded_by_all_names_of_loading(saved: Path) -> None:
    items = pictures(2)
    expected = load_pipeline(saved)(items)
    assert Pipeline.from_pretrained(saved)(items) == Pipeline.from_pretrained(str(saved))(items) == expected


def test_a_name_on_the_hub_is_downloaded_once(saved: Path, cache: Path) -> None:
    commit = "0" * 40
    kept = cache / "models--somebody--captioner"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    shutil.copytree(saved, kept / "snapshots" / commit)
    pipeline = Pipeline.from_pretrained("somebody/captioner")
    assert pipeline(pictures(2)) == load_pipeline(saved)(pictures(2))


def test_a_hub_that_does_not_answer_is_said(cache: Path) -> None:
    with pytest.raises(NotReachable, match="the hub cannot be reached for somebody/captioner"):
        load_pipeline("somebody/captioner")


@pytest.mark.parametrize("name", ["playground/paintr", "runs/missing", "./missing", "missing", "a/b/c", "../missing"])
def test_a_mistyped_folder_or_plugin_is_not_looked_for_on_the_hub(name: str, cache: Path) -> None:
    Path("runs").mkdir()
    with pytest.raises(WrongCall, match="no pipeline at"):
        pipeline_folder(name)


def test_a_folder_with_the_name_of_a_shipped_pipeline_is_warned_of(saved: Path, cache: Path) -> None:
    own = Path("playground/captioner")
    shutil.copytree(saved, own)
    with pytest.warns(UserWarning, match="playground/captioner is the folder here, not the pipeline that a plugin"):
        assert pipeline_folder("playground/captioner") == own
    with warnings.catch_warnings(action="error"):
        assert pipeline_folder("./playground/captioner") == own


def test_a_near_name_is_told_of_all_that_the_caller_knows(cache: Path) -> None:
    with pytest.raises(WrongCall, match="did you mean playground/painter-stylegan"):
        pipeline_folder("playground/painter-stylegam")
    with pytest.raises(WrongCall, match="did you mean my-own"):
        pipeline_folder("my-onw", also=["my-own"])
    with pytest.raises(NotReachable, match="did you mean playground/captioner"):
        pipeline_folder("playgroud/captioner")  # it could be one on the hub
    assert (pipeline_folder("playground/painter-stylegan") / "pipeline.json").is_file()
    Path("here").mkdir()
    assert pipeline_folder("here") == pipeline_folder(Path("here"))

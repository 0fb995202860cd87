"""Pipelines on disk: what is saved comes back, a folder that was changed is refused, and an interrupted save loses nothing."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core import (
    C3Bridge,
    C3Error,
    NotInstalled,
    Pipeline,
    WrongCall,
    __version__,
    load_bridge,
    load_pipeline,
    load_space,
)
from c3core.contracts import Encoded
from c3core.errors import CorruptFile
from c3core.pipeline import serialization
from c3core.pipeline.manifest import finish_save, read_manifest, saving, verify
from c3core.registry.registration import Entry
from tests.helpers.spaces import DIM, TRAINING, fitted, pictures, small_pipeline, write_space


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return fitted(write_space(tmp_path_factory.mktemp("space")))


@pytest.fixture
def saved(pipeline: Pipeline, tmp_path: Path) -> Path:
    pipeline.save_pretrained(tmp_path / "captioner")
    return tmp_path / "captioner"


def test_saved_and_loaded_it_says_the_same(pipeline: Pipeline, saved: Path) -> None:
    items = pictures(3, "test")
    assert load_pipeline(saved).run(items, modality="image") == pipeline.run(items, modality="image")


def test_a_saved_pipeline_carries_its_space_and_says_what_it_was_trained_on(saved: Path) -> None:
    manifest = json.loads((saved / "pipeline.json").read_text())
    assert manifest["space"]["spec"] == "space/"
    assert set(manifest["space"]["fingerprints"]) == {"text", "image"}
    assert manifest["trained_on"][0]["modality"] == "text"
    assert manifest["trained_on"][0]["supervised"] is False
    assert "bridge.safetensors" in manifest["files"]


def test_the_manifest_holds_all_that_rebuilds_a_pipeline(pipeline: Pipeline, saved: Path) -> None:
    manifest = json.loads((saved / "pipeline.json").read_text())
    files = [
        path
        for path in sorted(saved.rglob("*"))
        if path.is_file() and path.name not in ("pipeline.json", "README.md", ".lock")
    ]
    assert manifest == {
        "format": "c3-pipeline-1",
        "c3core": __version__,
        "space": {"spec": "space/", "dim": DIM, "fingerprints": pipeline.fingerprints},
        "bridge": {"name": "c3", "config": json.loads(json.dumps(pipeline.bridge.config()))},
        "decoder": {"name": "gpt2", "modality": "text"},
        "trained_on": json.loads(json.dumps(pipeline.trained_on)),
        "licenses": {
            "encoder:text": pipeline.encoder("text").license,
            "encoder:image": pipeline.encoder("image").license,
            "decoder": pipeline.decoder.license,
        },
        "files": {path.relative_to(saved).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files},
    }
    loaded = load_pipeline(saved)
    assert loaded.trained_on == manifest["trained_on"]
    assert (loaded.licenses, loaded.loaded) == (manifest["licenses"], manifest["files"])
    assert loaded.fingerprints == pipeline.fingerprints


def test_what_tells_foreign_inputs_is_saved_with_the_pipeline(pipeline: Pipeline, tmp_path: Path) -> None:
    """The pipeline knows enough sentences and pictures to tell others, which it warns of once a run."""
    pipeline.save_pretrained(tmp_path)
    loaded = load_pipeline(tmp_path)
    assert set(loaded.familiar) == set(pipeline.familiar) == {"text", "image"}
    far = torch.nn.functional.one_hot(torch.arange(60) % DIM, DIM).float() * torch.tensor([[1.0], [-1.0]] * 30)
    own = load_space(str(tmp_path / "space")).encode(pictures(20), "image")

    def runs(embeddings: Tensor) -> list[str]:
        one = Encoded([*range(len(embeddings))], embeddings, torch.ones(len(embeddings)), [], "image", fingerprint)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loaded.run([one], batch_size=16, max_new_tokens=2)
        return [str(warning.message) for warning in caught]

    fingerprint = loaded.fingerprints["image"]
    assert runs(own) == []
    (said,) = runs(far)
    assert said.startswith("the 60 image items are unlike those that the pipeline was fitted on")
    pipeline.with_bridge(load_bridge("c1")).save_pretrained(tmp_path)  # fitted on nothing
    assert not (tmp_path / "familiar.safetensors").exists()
    assert load_pipeline(tmp_path).familiar == {}


class Own(C3Bridge):
    """The bridge of a plugin."""


class Counted(C3Bridge):
    """The bridge of a plugin that restores it in its own way."""

    restored = 0

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        cls.restored += 1
        assert "empty" not in state
        return super().restore(config, state)


def preset(**options: Any) -> C3Bridge:
    """Return a preset, as a plugin may register one."""
    return C3Bridge(**options)


@pytest.mark.parametrize(("name", "kind"), [("Own", Own), ("Counted", Counted), ("preset", C3Bridge)])
def test_the_bridge_of_a_plugin_is_restored_as_its_own_kind(
    name: str, kind: type[C3Bridge], pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = (preset if name == "preset" else kind)(name="of-a-plugin", corrupt={"kind": "gaussian", "std": 0.3})
    text, image = (torch.eye(DIM)[:4] + shift for shift in (0.0, 1.0))
    bridge.fit({"text": normalize(text), "image": normalize(image)}, target="text")
    pipeline.with_bridge(bridge).save_pretrained(tmp_path)
    known = serialization.registered
    one = Entry("bridge", "of-a-plugin", f"{__name__}:{name}", "test", "test")
    monkeypatch.setattr(
        serialization, "registered", lambda kind: known(kind) | ({one.name: one} if kind == "bridge" else {})
    )
    found = load_pipeline(tmp_path).bridge
    assert type(found) is kind
    assert (found.name, found.config()) == (bridge.name, bridge.config())
    assert all(torch.equal(found.state()[key], value) for key, value in bridge.state().items())
    assert kind is not Counted or Counted.restored == 1
    monkeypatch.undo()
    assert type(load_pipeline(tmp_path).bridge) is C3Bridge  # a plugin that is not installed is not needed for it


def test_another_space_may_take_the_place_of_the_saved_one(saved: Path, tmp_path: Path) -> None:
    space = load_space(str(write_space(tmp_path / "space")))
    shutil.rmtree(saved / "space")
    manifest = json.loads((saved / "pipeline.json").read_text())
    manifest["files"] = {name: value for name, value in manifest["files"].items() if not name.startswith("space/")}
    (saved / "pipeline.json").write_text(json.dumps(manifest))
    assert load_pipeline(saved, space=space).space is space
    with pytest.raises(C3Error):
        load_pipeline(saved)


def test_a_file_that_is_not_listed_is_refused_but_not_those_of_the_training(saved: Path) -> None:
    for name in ("metrics.jsonl", "run.json", "embeddings.txt"):
        (saved / name).touch()
    (saved / "embeddings").mkdir()
    (saved / "embeddings" / "store.json").touch()
    load_pipeline(saved)
    (saved / "space" / "extra.txt").touch()
    with pytest.raises(CorruptFile, match=r"space/extra\.txt does not belong to the pipeline"):
        load_pipeline(saved)


def test_a_pipeline_without_a_space_of_its_own_leaves_none_of_another(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    (tmp_path / "space" / "old.safetensors").touch()
    playground = small_pipeline(load_space("playground"), "c1")
    playground.fit({"text": ["a red star"] * 20}, training=TRAINING, quiet=True)
    playground.save_pretrained(tmp_path)
    assert not (tmp_path / "space").exists()
    manifest = json.loads((tmp_path / "pipeline.json").read_text())
    assert manifest["space"]["spec"] == "playground"
    assert load_pipeline(tmp_path).space.spec == "playground"
    pipeline.save_pretrained(tmp_path)
    assert sorted(path.name for path in (tmp_path / "space").iterdir()) == sorted(
        path.name for path in Path(str(pipeline.space.folder)).iterdir() if path.suffix in (".json", ".safetensors")
    )


def test_an_unfinished_training_is_no_pipeline(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(WrongCall, match="holds a training that is not finished|not a pipeline"):
        load_pipeline(tmp_path)


def test_a_bridge_that_needs_nothing_is_saved_unfitted(pipeline: Pipeline, tmp_path: Path) -> None:
    plain = pipeline.with_bridge(load_bridge("c1"))
    plain.save_pretrained(tmp_path / "plain")
    assert load_pipeline(tmp_path / "plain").run(pictures(1), modality="image") == plain.run(
        pictures(1), modality="image"
    )
    with pytest.raises(C3Error, match="bridge 'c3' is not fitted"):
        pipeline.with_bridge(load_bridge("c3")).save_pretrained(tmp_path / "c3")


def test_saving_twice_leaves_a_whole_folder(pipeline: Pipeline, saved: Path) -> None:
    pipeline.save_pretrained(saved)
    assert load_pipeline(saved).run(pictures(1), modality="image")


@pytest.mark.parametrize("name", ["bridge.safetensors", "decoder/decoder.json", "space/text.safetensors"])
def test_a_changed_or_missing_file_is_refused(saved: Path, name: str) -> None:
    path = saved / name
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(C3Error, match="changed or truncated"):
        load_pipeline(saved)
    path.unlink()
    with pytest.raises(C3Error, match="is missing"):
        load_pipeline(saved)


@pytest.mark.parametrize("name", ["decoder/pytorch_model.bin", "extra.pkl", "decoder/model/weights.pt"])
def test_a_pickle_in_the_folder_is_refused(saved: Path, name: str) -> None:
    (saved / name).write_bytes(b"\x80\x04.")
    with pytest.raises(C3Error, match="looks like pickled weights"):
        load_pipeline(saved)


def test_a_decoder_that_pickles_is_refused_when_it_is_saved(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.decoder, "save", lambda folder: torch.save({}, folder / "weights.pt"))
    with pytest.raises(C3Error, match=r"decoder .gpt2. saves pickled code \(weights\.pt\)"):
        pipeline.save_pretrained(tmp_path)
    assert not (tmp_path / "pipeline.json").exists()


def test_a_folder_that_is_no_pipeline_is_named(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="not a pipeline"):
        load_pipeline(tmp_path)
    with pytest.raises(C3Error, match="no such folder"):
        load_pipeline(tmp_path / "nowhere")
    recipe = tmp_path / "fit.yaml"
    recipe.write_text("space: playground")
    with pytest.raises(WrongCall, match="fit.yaml is a file"):
        load_pipeline(recipe)


def test_a_broken_manifest_names_the_field(saved: Path) -> None:
    manifest = json.loads((saved / "pipeline.json").read_text())
    manifest["spaec"] = manifest.pop("space")
    (saved / "pipeline.json").write_text(json.dumps(manifest))
    with pytest.raises(C3Error, match="spaec: no such field, did you mean space"):
        load_pipeline(saved)
    (saved / "pipeline.json").write_text('{"format": ')
    with pytest.raises(C3Error, match="cannot be read as JSON"):
        load_pipeline(saved)


@pytest.mark.parametrize(("part", "key", "kind"), [("space", "spec", "space"), ("decoder", "name", "decoder")])
def test_a_part_whose_plugin_is_not_installed_is_named(saved: Path, part: str, key: str, kind: str) -> None:
    manifest = json.loads((saved / "pipeline.json").read_text())
    manifest[part][key] = "traces"
    (saved / "pipeline.json").write_text(json.dumps(manifest))
    with pytest.raises(NotInstalled, match=f"needs the {kind} 'traces'"):
        load_pipeline(saved)


def test_a_read_only_place_is_one_clear_error(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(C3Error, match="cannot write"):
        pipeline.save_pretrained(tmp_path / "file" / "captioner")


def test_a_loaded_pipeline_is_saved_without_loading_its_encoders(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.save_pretrained(tmp_path / "one")
    loaded = load_pipeline(tmp_path / "one")

    def no_encoder(modality: str) -> None:
        raise AssertionError(f"the {modality} encoder was loaded")

    monkeypatch.setattr(loaded.space, "encoder", no_encoder)
    loaded.save_pretrained(tmp_path / "two")
    one, two = (json.loads((tmp_path / name / "pipeline.json").read_text()) for name in ("one", "two"))
    assert one["licenses"] == two["licenses"]


def test_a_save_that_is_interrupted_leaves_the_old_pipeline(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.save_pretrained(tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("listed_files", "write_tensors", "_copy_space"):
        monkeypatch.setattr(f"c3core.pipeline.serialization.{name}", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.save_pretrained(tmp_path)
        monkeypatch.undo()
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files, name
    (tmp_path / ".saving.left").mkdir()  # by a kill before all was written
    pipeline.save_pretrained(tmp_path)
    assert not list(tmp_path.glob(".saving*"))
    load_pipeline(tmp_path)


@pytest.mark.parametrize("steps", range(1, 8))  # the decoder tidies up once itself, before all is written
def test_a_save_that_is_killed_while_parts_are_put_in_place_is_finished_by_the_next_reader(
    steps: int, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.save_pretrained(tmp_path / "captioner")
    other = fitted(write_space(tmp_path / "space"), bridge="c1")
    other.save_pretrained(tmp_path / "whole")
    left = iter([None] * steps)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            next(left)
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as killing:
        killing.setattr(Path, "replace", counted(Path.replace))
        killing.setattr(shutil, "rmtree", counted(shutil.rmtree))  # so that nothing is tidied up either
        with pytest.raises(StopIteration):
            other.save_pretrained(tmp_path / "captioner")
    found, expected = load_pipeline(tmp_path / "captioner"), load_pipeline(tmp_path / "whole")
    assert found.bridge.config() == expected.bridge.config()
    items = pictures(2, "test")
    assert found.run(items, modality="image") == expected.run(items, modality="image")
    found.save_pretrained(tmp_path / "captioner")
    assert not list((tmp_path / "captioner").glob(".saving*"))


def test_several_readers_finish_a_save_once(saved: Path, tmp_path: Path) -> None:
    for round_ in range(20):
        folder = tmp_path / str(round_)
        shutil.copytree(saved, folder)
        shutil.copytree(saved, folder / ".saving.x")
        with ThreadPoolExecutor(4) as readers:
            for done in [readers.submit(finish_save, folder) for _ in range(4)]:
                done.result()
        verify(folder, read_manifest(folder))
        assert not list(folder.glob(".saving*"))


def test_a_folder_that_another_process_saves_to_is_told(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("c3core.pipeline.manifest.PATIENCE", 0.1)
    with saving(tmp_path), pytest.raises(C3Error, match="another process is saving to"):
        pipeline.save_pretrained(tmp_path)


def test_what_is_left_of_a_save_and_cannot_be_read_is_one_error(saved: Path) -> None:
    (saved / ".saving.x").mkdir()
    (saved / ".saving.x" / "pipeline.json").write_text("{}")
    with pytest.raises(C3Error, match=r"\.saving\.x/pipeline\.json: .*space: Field required"):
        load_pipeline(saved)

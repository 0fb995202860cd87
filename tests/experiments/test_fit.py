"""Fitting by a recipe: what a recipe starts from, and a folder that was fitted before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from c3core import load_bridge, load_decoder, load_space
from c3core.data.tables import load_table
from c3core.errors import C3Error, WrongCall
from c3core.experiments.fit import build, fit_recipe, is_fitted
from c3core.experiments.recipe import FitRecipe
from c3core.io.files import read_json, write_json
from c3core.pipeline.loading import pipeline_folder
from c3core.pipeline.pipeline import Pipeline, load_pipeline
from c3core.spaces import ConnectRecipe, connect
from c3core.spaces.features import Features
from tests.helpers.spaces import write_space


def recipe(**more: object) -> FitRecipe:
    return FitRecipe.model_validate({"space": "playground", "items": {"text": "a.txt"}, **more})


def small_recipe(tmp_path: Path, **training: object) -> FitRecipe:
    space = tmp_path / "space"
    return recipe(
        space=str(space if space.exists() else write_space(space)),
        decoder={"name": "stylegan", "channels": 64, "max_channels": 8, "style_dim": 8, "rows": 2, "hidden": 8},
        items={"image": "playground:image/train/8/1"},
        training={"steps": 2, "batch_size": 4, "warmup_steps": 0, **training},
    )


def test_a_finished_fit_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert not is_fitted(small_recipe(tmp_path), out, folder=tmp_path)
    first = fit_recipe(small_recipe(tmp_path), out, folder=tmp_path, quiet=True)
    assert is_fitted(small_recipe(tmp_path), out, folder=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    monkeypatch.setattr(Pipeline, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = fit_recipe(small_recipe(tmp_path), out, folder=tmp_path, quiet=True)
    assert again.trained_on == first.trained_on
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_finished_fit_refuses_another_recipe_and_other_data(tmp_path: Path) -> None:
    out, texts = tmp_path / "out", tmp_path / "texts.txt"

    def further(**training: object) -> FitRecipe:
        given = small_recipe(tmp_path, **training)
        return given.model_copy(update={"items": {**given.items, "text": "texts.txt"}})

    texts.write_text("a red circle\n" * 4)
    fit_recipe(further(), out, folder=tmp_path, quiet=True)
    with pytest.raises(WrongCall, match=r"training\.steps was 2.* Choose another folder \(--out\)"):
        is_fitted(further(steps=3), out, folder=tmp_path)
    with pytest.raises(WrongCall, match=r"training\.steps was 2"):
        fit_recipe(further(steps=3), out, folder=tmp_path, quiet=True)
    fit_recipe(further(steps=3), tmp_path / "other", folder=tmp_path, quiet=True)  # as the message says
    texts.write_text("a blue star\n" * 4)
    with pytest.raises(WrongCall, match=r"data\.text was 4 items"):
        is_fitted(further(), out, folder=tmp_path)


def test_a_fit_that_was_killed_before_its_end_is_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("c3core.experiments.fit.mark_finished", killed)
        fit_recipe(small_recipe(tmp_path), tmp_path / "out", folder=tmp_path, quiet=True)
    assert not is_fitted(small_recipe(tmp_path), tmp_path / "out", folder=tmp_path)
    fit_recipe(small_recipe(tmp_path), tmp_path / "out", folder=tmp_path, quiet=True)
    assert is_fitted(small_recipe(tmp_path), tmp_path / "out", folder=tmp_path)


def test_a_space_is_found_beside_the_recipe_and_not_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_space(tmp_path / "here" / "sp")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(C3Error, match="sp is no folder"):
        build(recipe(space="sp"), tmp_path)
    with pytest.raises(WrongCall, match="did you mean clip"):
        build(recipe(space="clipp:ViT-B-32/openai"), tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(C3Error, match="photos is a folder without a space.json"):
        build(recipe(space="../photos"), tmp_path / "here")
    assert build(recipe(space="sp", decoder="stylegan"), tmp_path / "here").space.modalities


def test_a_recipe_reuses_the_features_of_the_training_of_its_space(tmp_path: Path) -> None:
    connecting = ConnectRecipe.model_validate(
        {
            "name": "small",
            "dim": 8,
            "towers": {"text": {"tower": "playground-text"}, "image": {"tower": "playground-image"}},
            "pairs": [{"train": "playground:image/train/6"}],
            "training": {"steps": 1, "batch_size": 2, "warmup_steps": 0},
        }
    )
    connect(connecting, tmp_path / "space", quiet=True)
    sentence = load_table("playground:image/train/6").column("text")[0]
    fitting = recipe(space="space", features="space/run", decoder={"name": "stylegan", "channels": 64})
    reader = build(fitting, tmp_path).space.encoder("text").reader()
    assert isinstance(reader(sentence), Features)
    assert reader("a sentence of no table") == "a sentence of no table"
    space = load_space(tmp_path / "space")
    Pipeline(space, load_bridge("c1"), load_decoder("clipre", space=space)).fit(
        {"text": [sentence]}, quiet=True
    ).save_pretrained(tmp_path / "start")
    further = FitRecipe.model_validate({"start": "start", "features": "space/run", "items": {"text": sentence}})
    assert isinstance(build(further, tmp_path).space.encoder("text").reader()(sentence), Features)


def test_one_of_two_processes_embeds_and_saves(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    (tmp_path / "c3.py").write_text("from c3core.cli import main\nmain()\n")
    (tmp_path / "s.txt").write_text("a red circle there\na blue star here\na green ring on white\n" * 12)
    decoder = "{name: gpt2, model: fresh, layers: 1, width: 16, heads: 2}"
    training = "{steps: 2, batch_size: 4, warmup_steps: 1}"
    items = "{text: s.txt, image: playground:image/train/8/1}"
    (tmp_path / "fit.yaml").write_text(f"space: playground\ndecoder: {decoder}\nitems: {items}\ntraining: {training}\n")
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        tmp_path / "c3.py",
    ]
    command = [*launch, "fit", tmp_path / "fit.yaml", "--out", tmp_path / "captioner"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=150, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("embedding text: 36/36") == 1
    assert load_pipeline(tmp_path / "captioner").trained_on[0]["rows"] > 0


def test_further_training_may_change_options_of_the_decoders_training(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    training = {"steps": 2, "batch_size": 4, "warmup_steps": 0, "validation_split": 0, "precision": "bfloat16"}
    items = {"image": "playground:image/train/8/1"}
    tiny = {
        "name": "diffusion",
        "size": 32,
        "widths": [8, 8],
        "hidden": 8,
        "layout": 2,
        "watch_drawn": 0.2,
        "watch_noise": 0.1,
    }
    bridge = {"name": "c2_1", "rescale": "none"}
    first = fit_recipe(
        recipe(items=items, decoder=tiny, bridge=bridge, training=training),
        tmp_path / "first",
        folder=tmp_path,
        quiet=True,
    )

    def further(**decoder: object) -> FitRecipe:
        return FitRecipe.model_validate({"start": "first", "items": items, "training": training, "decoder": decoder})

    fit_recipe(further(name="diffusion", watch_drawn=0.5), tmp_path / "second", folder=tmp_path, quiet=True)
    second = load_pipeline(tmp_path / "second")
    assert second.decoder.settings == first.decoder.settings.model_copy(update={"watch_drawn": 0.5})  # type: ignore[union-attr]
    assert [trained["recipe"].get("start") for trained in second.trained_on] == [None, "first"]
    assert second.trained_on[1]["recipe"]["decoder"] == {"name": "diffusion", "watch_drawn": 0.5}
    begun = load_pipeline(tmp_path / "first").decoder.painter.vector.weight  # type: ignore[union-attr]
    assert not torch.equal(second.decoder.painter.vector.weight, begun)  # type: ignore[union-attr]
    for given, message in (
        (further(name="gpt2"), "is 'diffusion'. Only its options can change"),
        (further(name="diffusion", hidden=16), "keeps its hidden"),
    ):
        with pytest.raises(C3Error, match=message):
            fit_recipe(given, tmp_path / "third", folder=tmp_path, quiet=True)
    assert not (tmp_path / "third").exists()


TINY_PAINTER = {"name": "stylegan", "channels": 64, "max_channels": 8, "style_dim": 8, "rows": 2, "hidden": 8}


def with_another_bridge(tmp_path: Path, items: dict[str, str]) -> FitRecipe:
    """Fit a painter without noise, and return a recipe that trains it further with noise."""
    training = {"steps": 1, "batch_size": 4, "warmup_steps": 0}
    plain, noisy = {"name": "c2_1", "rescale": "none"}, {"name": "c3", "rescale": "none", "noise_std": 0.03}
    first = recipe(items={"image": "playground:image/train/8/1"}, decoder=TINY_PAINTER, bridge=plain, training=training)
    fit_recipe(first, tmp_path / "first", folder=tmp_path, quiet=True)
    return FitRecipe.model_validate({"start": "first", "bridge": noisy, "items": items, "training": training})


def test_further_training_may_use_another_bridge(tmp_path: Path) -> None:
    further = with_another_bridge(
        tmp_path, {"image": "playground:image/train/8/1", "text": "playground:image/train/6/1"}
    )
    fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)
    second = load_pipeline(tmp_path / "second")
    assert second.bridge.config()["corrupt"]["std"] == 0.03
    assert set(second.bridge.modalities) == {"image", "text"}  # fitted on the recipe's items
    assert [trained["recipe"].get("start") for trained in second.trained_on] == [None, "first"]
    assert second.trained_on[1]["recipe"]["bridge"]["noise_std"] == 0.03


def test_another_bridge_needs_the_encoders_of_the_first(tmp_path: Path) -> None:
    further = with_another_bridge(tmp_path, {"image": "playground:image/train/8/1"})
    manifest = read_json(tmp_path / "first" / "pipeline.json")
    manifest["space"]["fingerprints"]["image"] = "0" * 64
    write_json(tmp_path / "first" / "pipeline.json", manifest)
    with pytest.raises(C3Error, match="image embeddings come from another encoder"):
        fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)


def test_another_bridge_needs_items_of_each_modality_of_the_first(tmp_path: Path) -> None:
    further = with_another_bridge(tmp_path, {"text": "playground:image/train/6/1"})
    with pytest.raises(C3Error, match="Add items of image"):
        fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)


def test_a_recipe_that_trains_nothing_adds_modalities(tmp_path: Path) -> None:
    with_another_bridge(tmp_path, {"image": "a"})  # writes `first`, which takes only pictures
    given = {"start": "first", "items": {"text": "playground:image/train/6/1"}, "training": None}
    fit_recipe(FitRecipe.model_validate(given), tmp_path / "second", folder=tmp_path, quiet=True)
    first, second = load_pipeline(tmp_path / "first"), load_pipeline(tmp_path / "second")
    assert second.bridge.modalities == ("image", "text")
    sentences = load_table("playground:image/train/6/1").column("text")
    mean = second.space.encode(sentences, "text").double().mean(dim=0)
    torch.testing.assert_close(second.bridge.state()["text.mean"], mean, rtol=1e-5, atol=1e-6)
    for name, value in first.decoder.state_dict().items():
        assert torch.equal(second.decoder.state_dict()[name], value), name
    assert second.trained_on[:1] == first.trained_on
    assert second.trained_on[1]["statistics_of"] == {"text": 6}
    with pytest.raises(C3Error, match="knows 'text' already"):
        again = {"start": "second", "items": {"text": "a red circle"}, "training": None}
        fit_recipe(FitRecipe.model_validate(again), tmp_path / "third", folder=tmp_path, quiet=True)


@pytest.mark.parametrize(("options", "where"), [({}, "meta"), ({"device": "cpu"}, "cpu")])
def test_a_decoder_gets_the_recipes_device_unless_it_has_its_own(
    options: dict[str, str], where: str, tmp_path: Path
) -> None:
    asked = recipe(space=str(write_space(tmp_path / "space")), decoder={"name": "stylegan", **options}, device="meta")
    assert build(asked, tmp_path).decoder.device.type == where


def test_another_start_under_the_same_name_is_another_run(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    training = {"steps": 1, "batch_size": 4, "warmup_steps": 0, "validation_split": 0}
    items = {"image": "playground:image/train/8/1"}
    tiny = {"name": "diffusion", "size": 32, "widths": [8, 8], "hidden": 8, "layout": 2}

    def first(seed: int) -> None:
        plain = {"name": "c2_1", "rescale": "none"}
        given = recipe(items=items, decoder=tiny, bridge=plain, training={**training, "seed": seed})
        fit_recipe(given, tmp_path / f"first-{seed}", folder=tmp_path, quiet=True)
        shutil.copytree(tmp_path / f"first-{seed}", tmp_path / "first", dirs_exist_ok=True)

    further = FitRecipe.model_validate({"start": "first", "items": items, "training": training})
    first(0)
    fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)
    fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)
    first(1)
    with pytest.raises(WrongCall, match="another recipe: bases.start differs"):
        fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)


def test_a_start_is_a_folder_beside_the_recipe_or_a_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    monkeypatch.chdir(tmp_path)

    def started(name: str) -> Pipeline:
        return build(FitRecipe.model_validate({"start": name, "items": {"image": "a"}}), tmp_path / "recipes")

    assert started("playground/painter-diffusion").decoder.name == "diffusion"
    shutil.copytree(pipeline_folder("playground/painter-diffusion"), tmp_path / "painter")
    with pytest.raises(C3Error, match=re.escape(str(tmp_path / "recipes" / "painter"))):
        started("painter")
    shutil.copytree(tmp_path / "painter", tmp_path / "recipes" / "painter")
    assert started("painter").decoder.name == "diffusion"

"""What a recipe's items name, and an ablation's early checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from c3_playground.world import World
from c3core.data.tables import load_table
from c3core.embedding.embedder import embed
from c3core.errors import C3Error
from c3core.experiments.ablation import _options_for, ablate
from c3core.experiments.fit import build, fit_recipe, sources_of
from c3core.experiments.recipe import FitRecipe
from c3core.io.files import read_json, write_json
from c3core.media.image_decoder import write_png
from c3core.pipeline.loading import load_pipeline, pipeline_folder
from c3core.pipeline.pipeline import Pipeline
from c3core.spaces.loading import load_space
from tests.helpers.spaces import TRAINING, write_space


def recipe(**more: object) -> FitRecipe:
    return FitRecipe.model_validate({"space": "playground", "items": {"text": "a.txt"}, **more})


def test_text_is_a_file_from_the_recipes_folder_or_a_sentence_as_written(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "a.txt").write_text("one line\nanother\n")
    (folder / "t.csv").write_text("caption\na cell\n")
    named = ["a.txt", "a red circle", "t.csv:caption"]
    assert sources_of(recipe(), "text", named, folder) == ["one line", "another", "a red circle", "a cell"]
    long = "a red circle " * 30
    assert sources_of(recipe(), "text", [long], folder) == [long]


@pytest.mark.parametrize("name", ["sentences", "b.txt", "b c.txt", "none.csv:caption"])
def test_a_misspelt_file_is_no_sentence(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    with pytest.raises(C3Error, match="does not exist"):
        sources_of(recipe(), "text", name, folder)


def test_no_input_at_all(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="items of text name no input"):
        sources_of(recipe(), "text", [], tmp_path)


def test_the_root_is_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    (tmp_path / "list.txt").write_text("a.png\n")
    assert sources_of(recipe(root="photos"), "image", "list.txt", tmp_path) == [str(tmp_path / "photos" / "a.png")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": "none.csv"}, "none.csv"),
        ({"bridges": ["c3", "c33"]}, "did you mean c3"),
        ({"options": {"num_beam": 3}}, "did you mean num_beams"),
        ({"seeds": [-1]}, "seed"),
        ({"table": "other.csv"}, "say which column holds the inputs"),
        ({"table": "untold.csv"}, "no column 'text'"),
    ],
)
def test_an_ablation_says_what_is_wrong_before_it_trains(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    (tmp_path / "t.csv").write_text("image,caption\na.png,a star\n")
    (tmp_path / "a.png").touch()
    (tmp_path / "other.csv").write_text("pic,caption\na.png,a star\n")
    (tmp_path / "untold.csv").write_text("image,words\na.png,a star\n")
    space = write_space(tmp_path / "space")
    given = recipe(
        space=str(space), decoder={"name": "gpt2", "model": "fresh"}, items={"text": ["a star there", "a ring here"]}
    )
    words = {"table": str(tmp_path / "t.csv"), "bridges": ["c3"], "seeds": [0], "options": None, **change}
    with pytest.raises(C3Error, match=message):
        ablate(given, str(tmp_path / words.pop("table")), tmp_path / "out", folder=tmp_path, quiet=True, **words)
    assert not (tmp_path / "out").exists()


def test_an_ablation_gives_no_figures_of_another_one(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    items = {"text": "playground:image/train/8/1", "image": "playground:image/train/8/1"}
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    given = recipe(space=str(write_space(tmp_path / "space")), items=items, decoder=decoder, training=TRAINING)
    words = {"bridges": ["c1"], "seeds": [0], "folder": tmp_path, "quiet": True, "metrics": ["bleu1"]}
    first = ablate(given, "playground:image/test/3", tmp_path / "out", **words)
    assert ablate(given, "playground:image/test/3", tmp_path / "out", **words) == first
    trained_on = load_pipeline(tmp_path / "out" / "c1-0").trained_on[0]
    assert trained_on["recipe"]["items"] == items
    with pytest.raises(C3Error, match="another recipe, data, table or options"):
        ablate(given, "playground:image/test/4", tmp_path / "out", **words)
    given.training.learning_rate = 0.1
    with pytest.raises(C3Error, match="another recipe, data, table or options"):
        ablate(given, "playground:image/test/3", tmp_path / "out", **words)


def test_an_ablation_gives_no_figures_of_other_data_under_the_same_name(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    pytest.importorskip("pycocoevalcap", reason="needs the extra metrics")
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    pairs = {"table": "t.csv", "source": "image", "target": "text"}
    given = recipe(
        space=str(write_space(tmp_path / "space")), items={}, pairs=pairs, decoder=decoder, training=TRAINING
    )
    for number, item in enumerate(World().items("image", "test", 8)):
        write_png(item.data, tmp_path / f"{number}.png")
    words = {"bridges": ["c1"], "seeds": [0], "folder": tmp_path, "quiet": True, "metrics": ["bleu1"]}
    for said in ("a star", "a ring"):
        (tmp_path / "t.csv").write_text("image,text\n" + "\n".join(f"{number}.png,{said}" for number in range(8)))
        if said == "a star":
            ablate(given, "playground:image/test/3", tmp_path / "out", **words)
    with pytest.raises(C3Error, match="another recipe, data, table or options"):
        ablate(given, "playground:image/test/3", tmp_path / "out", **words)
    given.pairs, given.items, given.validation = None, {"text": ["a star there", "a ring here"]}, "held.txt"
    for said in ("a star", "a ring"):
        (tmp_path / "held.txt").write_text(f"{said} is here\n")
        if said == "a star":
            ablate(given, "playground:image/test/3", tmp_path / "other", **words)
    with pytest.raises(C3Error, match="another recipe, data, table or options"):
        ablate(given, "playground:image/test/3", tmp_path / "other", **words)
    with pytest.raises(C3Error, match="a seed is named twice"):
        ablate(given, "playground:image/test/3", tmp_path / "out", **{**words, "seeds": [1, 1]})


def test_a_store_that_is_held_out_is_known_by_what_it_holds(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    space = load_space(str(write_space(tmp_path / "space")))
    items = {"text": "playground:image/train/40/1"}
    given = recipe(space=space.spec, items=items, validation="held", decoder=decoder, training=TRAINING)
    words = {"bridges": ["c1"], "seeds": [0], "folder": tmp_path, "quiet": True, "metrics": ["bleu1"]}
    for said in ("a star", "a ring"):
        shutil.rmtree(tmp_path / "held", ignore_errors=True)
        embed(space.encoder("text"), [f"{said} here", f"{said} there"], tmp_path / "held", quiet=True)
        if said == "a star":
            ablate(given, "playground:image/test/3", tmp_path / "out", **words)
            assert load_pipeline(tmp_path / "out" / "c1-0").trained_on[0]["validation_loss"] > 0
    with pytest.raises(C3Error, match="another recipe, data, table or options"):
        ablate(given, "playground:image/test/3", tmp_path / "out", **words)


def test_an_ablation_embeds_once_what_its_runs_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    pairs = {"table": "playground:image/train/8", "source": "image", "target": "text"}
    given = recipe(
        space=str(write_space(tmp_path / "space")),
        items={"text": "playground:image/train/8/1"},
        pairs=pairs,
        validation={**pairs, "table": "playground:image/validation/4"},
        decoder=decoder,
        training=TRAINING,
    )
    words = {"bridges": ["c1", "c2_1"], "seeds": [0, 1], "folder": tmp_path, "metrics": ["bleu1"]}
    ablate(given, "playground:image/test/3", tmp_path / "out", **words)
    said = capsys.readouterr().err
    for label, total in (("text", 8), ("image", 40), ("image", 20)):  # items, pairs and those held out
        assert len(re.findall(rf"embedding {label}: {total}/{total}.*took", said)) == 1, said
    assert {path.name for path in (tmp_path / "out" / "embeddings").iterdir()} == {"text", "pairs", "validation"}
    assert not (tmp_path / "out" / "c1-0" / "run" / "embeddings").exists()


def test_a_space_of_the_working_directory_is_not_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_space(tmp_path / "here" / "sp")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(C3Error, match="sp is no folder. The paths of a recipe start at its own"):
        build(recipe(space="sp"), tmp_path)
    with pytest.raises(
        C3Error, match="no space is called 'clipp:ViT-B-32/openai', and no such folder: did you mean clip"
    ):
        build(recipe(space="clipp:ViT-B-32/openai"), tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(C3Error, match="photos is a folder without a space.json"):
        build(recipe(space="../photos"), tmp_path / "here")
    assert build(recipe(space="sp", decoder="stylegan"), tmp_path / "here").space.modalities


def test_a_table_that_was_edited_is_scored_anew_without_another_training(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    pytest.importorskip("pycocoevalcap", reason="needs the extra metrics")
    items = {"text": "playground:image/train/8/1", "image": "playground:image/train/8/1"}
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    given = recipe(space=str(write_space(tmp_path / "space")), items=items, decoder=decoder, training=TRAINING)
    write_png(World().items("image", "test", 1)[0].data, tmp_path / "a.png")

    def scores(said: str) -> float:
        (tmp_path / "t.csv").write_text(f"image,text\na.png,{said}\n")
        words = {"bridges": ["c1"], "seeds": [0], "folder": tmp_path, "quiet": True, "metrics": ["bleu1"]}
        (run,) = ablate(given, str(tmp_path / "t.csv"), tmp_path / "out", **words)["runs"]
        return float(run["bleu1"])

    assert scores("zebra") == pytest.approx(0, abs=1e-3)
    trained = (tmp_path / "out" / "c1-0" / "pipeline.json").stat().st_mtime_ns
    (said,) = load_pipeline(tmp_path / "out" / "c1-0").run([str(tmp_path / "a.png")], modality="image")
    assert scores(said) == pytest.approx(100)
    assert (tmp_path / "out" / "c1-0" / "pipeline.json").stat().st_mtime_ns == trained


def test_each_bridge_of_an_ablation_gets_the_options_that_it_has(install_plugin: Callable[..., None]) -> None:
    plugin = "from c3core import hookimpl\n\n@hookimpl\ndef c3_bridges(register):\n"
    plugin += "".join(f'    register("{name}", "own_parts:{name}")\n' for name in ("picky", "loose"))
    install_plugin("own", plugin, own_parts="def picky(name, *, amount=1): ...\ndef loose(name, **options): ...\n")
    options = {"noise_std": 0.1, "amount": 2}
    expected = {"c1": {}, "c3": {"noise_std": 0.1}, "picky": {"amount": 2}, "loose": options}
    assert {bridge: _options_for(bridge, options) for bridge in expected} == expected


def test_a_painter_learns_from_pictures_that_a_plugin_makes(tmp_path: Path) -> None:
    """A store of their embeddings keeps no pictures, so that the decoder is given the pictures themselves."""
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    items = {"text": "playground:image/train/8/1", "image": "playground:image/train/8/1"}
    tiny = {"name": "diffusion", "size": 32, "widths": [8, 8], "hidden": 8, "layout": 2}
    training = {**TRAINING, "steps": 1}
    given = recipe(space=str(write_space(tmp_path / "space")), items=items, decoder=tiny, training=training)
    words = {"bridges": ["c1", "c3"], "seeds": [0], "folder": tmp_path, "quiet": True}
    words |= {"options": {"steps": 1}, "metrics": ["playground-factors"]}
    with pytest.raises(C3Error, match="no metric of image is called"):
        ablate(given, "playground:image/test/3", tmp_path / "out", **{**words, "metrics": ["factor"]})
    scores = ablate(given, "playground:image/test/3", tmp_path / "out", **words)
    assert [row["bridge"] for row in scores["rows"]] == ["c1", "c3"]
    assert all(set(row) >= {"r1", "factors", "exact"} for row in scores["rows"])
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    again = ablate(given, "playground:image/test/3", tmp_path / "out", **{**words, "metrics": []})
    assert all(
        "factors" not in row and row["r1"] == old["r1"] for row, old in zip(again["rows"], scores["rows"], strict=True)
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == trained  # scored anew alone


def test_of_two_processes_one_embeds_and_saves(tmp_path: Path) -> None:
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
    assert done.stderr.count("embedding text: 36/36") == 1  # the others open what the first one wrote, and say nothing
    assert load_pipeline(tmp_path / "captioner").trained_on[0]["rows"] > 0


def test_a_training_that_starts_from_a_pipeline_may_change_how_the_decoder_is_trained(tmp_path: Path) -> None:
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
        (further(name="gpt2"), "the recipe one named 'gpt2'"),
        (further(name="diffusion", hidden=16), "keeps its hidden"),
    ):
        with pytest.raises(C3Error, match=message):
            fit_recipe(given, tmp_path / "third", folder=tmp_path, quiet=True)
    assert not (tmp_path / "third").exists()


TINY_PAINTER = {"name": "stylegan", "channels": 64, "max_channels": 8, "style_dim": 8, "rows": 2, "hidden": 8}


def with_another_bridge(tmp_path: Path, items: dict[str, str]) -> FitRecipe:
    """A painter fitted without noise, and the recipe that goes on from it with noise."""
    training = {"steps": 1, "batch_size": 4, "warmup_steps": 0}
    plain, noisy = {"name": "c2_1", "rescale": "none"}, {"name": "c3", "rescale": "none", "noise_std": 0.03}
    first = recipe(items={"image": "playground:image/train/8/1"}, decoder=TINY_PAINTER, bridge=plain, training=training)
    fit_recipe(first, tmp_path / "first", folder=tmp_path, quiet=True)
    return FitRecipe.model_validate({"start": "first", "bridge": noisy, "items": items, "training": training})


def test_a_training_that_starts_from_a_pipeline_may_give_it_another_bridge(tmp_path: Path) -> None:
    further = with_another_bridge(
        tmp_path, {"image": "playground:image/train/8/1", "text": "playground:image/train/6/1"}
    )
    fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)
    second = load_pipeline(tmp_path / "second")
    assert second.bridge.config()["corrupt"]["std"] == 0.03
    assert set(second.bridge.modalities) == {"image", "text"}  # fitted anew, on the recipe's items
    assert [trained["recipe"].get("start") for trained in second.trained_on] == [None, "first"]
    assert second.trained_on[1]["recipe"]["bridge"]["noise_std"] == 0.03


def test_another_bridge_is_fitted_with_the_encoders_of_the_one_before(tmp_path: Path) -> None:
    further = with_another_bridge(tmp_path, {"image": "playground:image/train/8/1"})
    manifest = read_json(tmp_path / "first" / "pipeline.json")
    manifest["space"]["fingerprints"]["image"] = "0" * 64
    write_json(tmp_path / "first" / "pipeline.json", manifest)
    with pytest.raises(C3Error, match="image embeddings come from another encoder"):
        fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)


def test_another_bridge_must_know_the_modalities_of_the_one_before(tmp_path: Path) -> None:
    further = with_another_bridge(tmp_path, {"text": "playground:image/train/6/1"})
    with pytest.raises(C3Error, match="knows image too"):
        fit_recipe(further, tmp_path / "second", folder=tmp_path, quiet=True)


def test_a_recipe_that_trains_nothing_adds_modalities(tmp_path: Path) -> None:
    with_another_bridge(tmp_path, {"image": "a"})  # writes `first`, which knows pictures alone
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
def test_a_recipes_device_is_the_decoders_too_unless_that_has_its_own(
    options: dict[str, str], where: str, tmp_path: Path
) -> None:
    asked = recipe(space=str(write_space(tmp_path / "space")), decoder={"name": "stylegan", **options}, device="meta")
    assert {parameter.device.type for parameter in build(asked, tmp_path).decoder.parameters()} == {where}


def test_a_run_is_not_continued_from_another_start(tmp_path: Path) -> None:
    """Nor is a finished one taken for it: the weights that it starts from belong to its recipe."""
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
    with pytest.raises(C3Error, match="a run of another recipe"):
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

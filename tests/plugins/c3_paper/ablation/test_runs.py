"""Ablations: each run is trained once, and never taken for another one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c3_paper.ablation.runs import Run, ablate, options_for
from c3_playground.world import World
from c3core.contracts import Encoder
from c3core.embedding.embedder import embed
from c3core.errors import C3Error, WrongCall
from c3core.experiments.recipe import FitRecipe
from c3core.media.image_decoder import write_png
from c3core.pipeline.pipeline import load_pipeline
from c3core.spaces.loading import load_space
from tests.helpers.spaces import TRAINING, write_space


def recipe(**more: object) -> FitRecipe:
    return FitRecipe.model_validate({"space": "playground", "items": {"text": "a.txt"}, **more})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": "none.csv"}, "none.csv"),
        ({"bridges": ["c3", "c33"]}, "did you mean c3"),
        ({"generation": {"num_beam": 3}}, "did you mean num_beams"),
        ({"seeds": [-1]}, "seed"),
        ({"table": "other.csv"}, "say which column holds the inputs"),
        ({"table": "untold.csv"}, "no column 'text'"),
        ({"bridges": ["c1", "c3"]}, "'c3' needs the mean of image. Add items"),
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
    words = {"table": str(tmp_path / "t.csv"), "bridges": ["c3"], "seeds": [0], "generation": None, **change}
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
    assert {bridge: options_for(bridge, options) for bridge in expected} == expected


def test_a_painter_learns_from_pictures_that_a_plugin_makes(tmp_path: Path) -> None:
    """A store of their embeddings keeps no pictures, so that the decoder is given the pictures themselves."""
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    items = {"text": "playground:image/train/8/1", "image": "playground:image/train/8/1"}
    tiny = {"name": "diffusion", "size": 32, "widths": [8, 8], "hidden": 8, "layout": 2}
    training = {**TRAINING, "steps": 1}
    given = recipe(space=str(write_space(tmp_path / "space")), items=items, decoder=tiny, training=training)
    words = {"bridges": ["c1", "c3"], "seeds": [0], "folder": tmp_path, "quiet": True}
    words |= {"generation": {"steps": 1}, "metrics": ["playground-factors"]}
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


FIGURES = """
- {bridge: c1, fraction: 0.5, modality: image, bleu1: 40.0}
- {bridge: c1, fraction: 1.0, modality: image, bleu1: 60.0, spice: 1.0}
- {bridge: c1, fraction: 1.0, modality: audio, bleu1: 70.0}
"""


def test_fractions_of_the_pairs_train_an_earlier_ablation_further(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    pytest.importorskip("pycocoevalcap", reason="needs the extra metrics")
    (tmp_path / "ours.yaml").write_text(FIGURES)
    items = {"text": "playground:image/train/8/1", "image": "playground:image/train/8/1"}
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    first = recipe(space=str(write_space(tmp_path / "space")), items=items, decoder=decoder, training=TRAINING)
    words = {"bridges": ["c1"], "seeds": [0, 1], "folder": tmp_path, "quiet": True, "metrics": ["bleu1"]}
    ablate(first, "playground:image/test/3", tmp_path / "first", **words)
    pairs = {"table": "playground:image/train/8", "source": "image", "target": "text", "noise": False}
    second = FitRecipe.model_validate({"start": "first", "pairs": pairs, "training": TRAINING})
    words |= {"fractions": [0.5, 1.0], "against": str(tmp_path / "ours.yaml")}
    found = ablate(second, "playground:image/test/3", tmp_path / "second", **words)
    assert [(row["bridge"], row["fraction"], row["seeds"]) for row in found["rows"]] == [("c1", 0.5, 2), ("c1", 1.0, 2)]
    assert found["rows"][1]["paper"] == {"bleu1": 60.0}
    for row, published in zip(found["rows"], (40, 60), strict=True):
        assert row["difference"]["bleu1"] == pytest.approx(row["bleu1"]["mean"] - published)
    for name, rows in (("c1-0.5-0", 20), ("c1-1.0-1", 40)):  # five sentences a picture
        before, after = load_pipeline(tmp_path / "second" / name).trained_on
        assert before["supervised"] is False
        assert (after["supervised"], after["noise"], after["rows"] + 1) == (True, False, pytest.approx(rows, abs=2))
    halves = [load_pipeline(tmp_path / "second" / f"c1-0.5-{seed}").trained_on[1]["recipe"]["pairs"] for seed in (0, 1)]
    assert [(half["fraction"], half["seed"]) for half in halves] == [(0.5, 0), (0.5, 1)]
    assert ablate(second, "playground:image/test/3", tmp_path / "second", **words) == found


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({}, {"fractions": [0.5]}, "give it pairs"),
        ({"pairs": {"table": "t.csv", "source": "image", "target": "text"}}, {"fractions": [1.5]}, "at most 1"),
        ({"space": None, "start": "nothing"}, {}, "no pipeline"),
        ({"space": None, "start": "nothing", "bridge": "c1"}, {}, "leave bridge out"),
        ({}, {"against": "table22"}, "did you mean table2"),
    ],
)
def test_what_an_ablation_cannot_vary_is_said_first(
    tmp_path: Path, change: dict[str, object], more: dict[str, object], message: str
) -> None:
    words = {"bridges": ["c1"], "seeds": [0], "folder": tmp_path, "quiet": True, **more}
    with pytest.raises(WrongCall, match=message):
        ablate(recipe(**change), "playground:image/test/3", tmp_path / "out", **words)
    assert not (tmp_path / "out").exists()


def test_an_ablation_embeds_the_table_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    decoder = {"name": "gpt2", "model": "fresh", "layers": 1, "width": 16, "heads": 2}
    items = {"text": "playground:image/train/8/1", "image": "playground:image/train/8/1"}
    given = recipe(space="playground", items=items, decoder=decoder, training=TRAINING)
    seen: list[Any] = []
    embed_items = Encoder.embed_items

    def counted(encoder: Encoder, pictures: Any) -> Any:
        seen.extend(pictures if encoder.modality == "image" else [])
        return embed_items(encoder, pictures)

    monkeypatch.setattr(Encoder, "embed_items", counted)
    words = {"bridges": ["c1", "c2_1", "c2_2", "c3"], "seeds": [0], "folder": tmp_path, "metrics": ["bleu1"]}
    ablate(given, "playground:image/test/5", tmp_path / "out", **words)
    assert len(seen) == 8 + 5  # those of the fit, and those of the table


def test_a_tracker_of_the_recipe_is_one_of_each_run() -> None:
    own = Run("c1", 3).of(recipe(training={"track": "tensorboard"}))
    assert own.training is not None
    assert (own.training.track, own.training.seed) == (("tensorboard",), 3)
    assert "track" not in own.model_dump()["training"]  # by which runs are compared

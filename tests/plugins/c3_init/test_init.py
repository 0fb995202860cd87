"""What `c3 init` writes works as it stands."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from c3_playground.world import World
from c3core.testing import PluginContract
from tests.helpers.command_line import c3, fails

FEW = ["--set", "training.steps=3", "--set", "training.warmup_steps=1"]


class TestPlugin(PluginContract):
    plugin = "c3_init"


def run(*words: object) -> str:
    done = c3(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(find_spec("efficientnet_lite_pytorch") is None, reason='needs the extra "photos"')
def test_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real pretrained towers, on a few made pictures and a short training."""
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    monkeypatch.chdir(tmp_path)
    assert "Read photos/README.md next." in run("init", "photos")
    monkeypatch.chdir(tmp_path / "photos")
    for name, split, count in (("train", "train", 12), ("dev", "validation", 6)):
        with open(f"{name}.csv", "w", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(["image", "caption"])
            for number, item in enumerate(World().items("image", split, count)):
                Image.fromarray(item.data).resize((96, 96)).save(f"{name}-{number}.png")
                rows.writerows([f"{name}-{number}.png", sentence] for sentence in item.sentences)
    run("connect", "connect.yaml", "--out", "space", *FEW)
    small = ["--set", "decoder.width=32", "--set", "decoder.vocabulary=300"]
    table = run("ablate", "fit.yaml", "dev.csv", "--out", "runs", "--bridges", "c1,c3", *FEW, *small)
    assert "c1" in table
    run("fit", "fit.yaml", "--out", "captioner", *FEW, *small)
    settings = json.loads(Path("captioner/decoder/decoder.json").read_text())["settings"]
    assert settings["generation"] == {"num_beams": 3, "max_new_tokens": 30}
    assert run("run", "captioner", "train-0.png").count("\n") == 1  # after three steps the caption itself may be empty
    run("fit", "reward.yaml", "--out", "better", *FEW)
    settings = json.loads(Path("better/decoder/decoder.json").read_text())["settings"]
    assert (settings["reward"], settings["generation"]["guidance"]) == ("cider", "rerank")
    assert run("run", "better", "train-0.png").count("\n") == 1
    readme = Path("README.md").read_text()
    written = ("connect connect.yaml --out space", "fit fit.yaml --out captioner", "fit reward.yaml --out better")
    for command in (f"c3 {words}" for words in written):
        assert command in readme


@pytest.mark.parametrize(("decoder", "option"), [("stylegan", "truncation=0.5"), ("diffusion", "steps=2")])
def test_painter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str, option: str) -> None:
    """On a few pictures and steps, with the playground's space."""
    if decoder == "diffusion":
        pytest.importorskip("diffusers", reason="needs the extra diffusion")
    run("init", "painter", tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    Path("pictures").mkdir()
    for number, item in enumerate(World().items("image", "train", 10)):
        Image.fromarray(item.data).resize((60, 48)).save(f"pictures/{number}.jpg")
    Path("sentences.txt").write_text("\n".join(World().sentences(20, modality="image")))
    small = ["--set", "training.batch_size=4", *(["--set", "decoder.channels=256"] if decoder == "stylegan" else [])]
    run("fit", f"{decoder}.yaml", "--out", "painter", *FEW, *small)
    sentences = ("a red circle above a blue star", "a green heart")
    run("run", "painter", *sentences, "-m", "text", "--out", "drawn", "-o", option)
    drawn = [Image.open(f"drawn/00000{number}.png") for number in range(2)]
    assert drawn[0].size == (32, 32)
    assert drawn[0].tobytes() != drawn[1].tobytes()


def test_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a small CLIP and a small language model in place of those of the hub."""
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    pytest.importorskip("open_clip", reason="needs the extra clip")
    folder = tmp_path / "captions"
    run("init", "captions", folder)
    monkeypatch.chdir(folder)
    Path("captions.txt").write_text("\n".join(World().sentences(40, modality="image")))
    Path("photos").mkdir()
    for number, item in enumerate(World().items("image", "test", 40)):
        Image.fromarray(item.data).save(f"photos/{number}.png")
    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    tiny = {"model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}}
    Path("tiny.json").write_text(json.dumps(tiny))
    small = ["space=clip:tiny.json/random", "decoder.model=fresh", "decoder.width=32", "decoder.layers=1"]
    words = [word for change in small for word in ("--set", change)]
    run("fit", "fit.yaml", "--dry-run", "--out", "captioner", *words)
    assert run("run", "captioner/dry-run", "photos").count("\n") == 40


@pytest.mark.parametrize("name", ["tea-leaves", "smell"])
def test_the_tests_of_a_new_plugin_pass(tmp_path: Path, name: str) -> None:
    run("init", "plugin", tmp_path / name)
    module = name.replace("-", "_")
    information = tmp_path / name / "src" / f"{module}-0.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (information / "entry_points.txt").write_text(f"[c3core]\n{module} = {module}\n")
    paths = [str(tmp_path / name / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (tmp_path / name).rglob("*"):
        assert "hello" not in path.name
        assert path.is_dir() or path.suffix == ".pyc" or "hello" not in path.read_text(encoding="utf-8")


def test_nothing_is_written_over_and_wrong_names_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "plugin" in run("init")
    fails("init", "photo", status=2, says="did you mean photos")
    fails("init", "plugin", status=2, says="c3 init plugin NAME")
    fails("init", "plugin", "2 many", status=2, says="cannot be the name")
    fails("init", "plugin", "torch", status=2, says="a package 'torch' is installed already")
    fails("init", "plugin", "playground", status=2, says="a space 'playground' is registered already")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "fit.yaml").write_text("my own")
    fails("init", "captions", "mine", status=2, says="is not empty")
    assert (tmp_path / "mine" / "fit.yaml").read_text() == "my own"

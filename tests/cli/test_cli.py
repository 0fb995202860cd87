"""The command line: what it prints, and its exit status."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from c3_playground.world import World
from tests.helpers.command_line import c3, fails, in_a_process
from tests.helpers.spaces import DECODER, TRAINING, fitted, write_space


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_space(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def captioner(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioner")
    fitted(space).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    with open(folder / "table.csv", "w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["image", "caption"])
        for number, item in enumerate(World().items("image", "test", 4)):
            Image.fromarray(item.data).save(folder / f"{number}.png")
            rows.writerows([f"{number}.png", sentence] for sentence in item.sentences)
    return folder


def test_help_and_version() -> None:
    done = c3("--help")
    assert done.returncode == 0
    for command in (
        "demo",
        "plugins",
        "bridges",
        "connect",
        "embed",
        "fit",
        "run",
        "evaluate",
        "info",
    ):
        assert command in done.stdout
    assert c3("--version").stdout.startswith("c3core ")
    assert in_a_process("no-such-command").returncode == 2


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "c3core", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == c3("--version").stdout


def test_a_shell_completes_commands_of_plugins_too() -> None:
    asked = {"_C3_COMPLETE": "complete_bash", "COMP_WORDS": "c3 pa", "COMP_CWORD": "1"}
    program = "import sys; sys.argv[0] = 'c3'; from c3core.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["paper"]


def test_bridges_and_plugins_as_json() -> None:
    rows = json.loads(c3("bridges", "--json").stdout)
    assert {"c1", "c2_1", "c2_2", "c2_2_span", "c3", "c3_imagebind", "capdec", "lafite_g", "decap", "close"} <= {
        r["name"] for r in rows
    }
    assert all(set(row) == {"name", "formula", "paper"} for row in rows)
    found = json.loads(c3("plugins", "--json").stdout)
    assert {"kind", "name", "modalities", "extra", "ready", "missing"} <= set(found[0])


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_no_output_is_lost_to_an_encoding(
    encoding: str, captioner: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    listed = in_a_process("bridges", encoding=encoding)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "c3_imagebind" in listed.stdout
    assert "\\u2212" in listed.stdout  # the minus of a formula
    shutil.copy(photos / "0.png", tmp_path / "犬 é 🐕.png")
    (tmp_path / "猫.png").write_text("no picture")
    done = in_a_process("run", captioner, tmp_path, "-m", "image", "--json", encoding=encoding)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [Path(row["input"]).name for row in answer["outputs"]] == ["犬 é 🐕.png"]
    assert [Path(row["input"]).name for row in answer["bad"]] == ["猫.png"]
    assert "\\u732b.png: is no picture" in done.stderr


def test_one_picture_is_one_line(captioner: Path, photos: Path) -> None:
    done = in_a_process("run", captioner, photos / "0.png")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.strip().splitlines()) == 1


def test_captions_that_are_the_same_for_each_seed_are_told(captioner: Path, photos: Path) -> None:
    done = c3("run", captioner, photos / "0.png", "--seeds", 2)
    assert len(set(done.stdout.strip().splitlines())) == 1
    assert "each seed gave the same" in done.stderr
    drawn = c3("run", captioner, photos, "--seeds", 3, "-o", "do_sample=true", "-o", "temperature=5.0")
    assert drawn.returncode == 0, drawn.stderr
    assert "each seed" not in drawn.stderr


def test_a_space_is_described_by_its_name() -> None:
    found = json.loads(c3("info", "playground", "--json").stdout)
    assert found == {
        "kind": "space",
        "spec": "playground",
        "dim": 256,
        "modalities": ["text", "image", "video", "audio"],
    }


def test_a_store_is_described(tmp_path: Path) -> None:
    assert c3("embed", "playground", "text", "A red ring.", "A cross.", "--out", tmp_path / "x").returncode == 0
    described = c3("info", tmp_path / "x").stdout
    assert "2 text embeddings of 256 dimensions\nspace: playground\ncomplete: True\n" in described
    manifest = json.loads((tmp_path / "x" / "store.json").read_text())
    (tmp_path / "x" / "store.json").write_text(json.dumps(manifest | {"complete": False}))
    assert "complete: False\n" in c3("info", tmp_path / "x").stdout


def test_a_description_is_some_ten_lines(captioner: Path) -> None:
    short = c3("info", captioner).stdout
    assert len(short.splitlines()) <= 14
    assert "space/ → c3 → gpt2" in short
    assert "makes: text" in short
    assert "num_beams" in short
    assert "width" in c3("info", "gpt2").stdout
    assert "any CLIP of open_clip" in c3("info", "clip").stdout
    fails("info", "clip:none/none", status=2, says="none")


def test_a_decoder_is_described_with_the_options_of_run(captioner: Path) -> None:
    found = json.loads(c3("info", "stylegan", "--json").stdout)
    assert (found["kind"], found["plugin"], found["modalities"]) == ("decoder", "c3_stylegan", ["image"])
    assert found["options"]["truncation"].startswith("1.0 (ψ: how far styles go")
    assert json.loads(c3("info", captioner, "--json").stdout)["options"]["num_beams"] == "1"
    assert "num_beams: 1\n" in c3("info", captioner, "--full").stdout
    assert found["settings"]["rows"].startswith("None (rows of a training batch")
    assert json.loads(c3("info", "capdec", "--json").stdout)["kind"] == "bridge"


def test_a_bad_picture_is_reported_and_the_rest_done(captioner: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes((photos / "0.png").read_bytes()[:80])
    done = c3("run", captioner, photos / "0.png", tmp_path / "bad.png", photos / "1.png", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [Path(row["input"]).name for row in answer["outputs"]] == ["0.png", "1.png"]
    assert "bad.png" in answer["bad"][0]["input"]
    assert "1 of 3 item(s) could not be read" in done.stderr
    fails("run", captioner, tmp_path / "bad.png", says="no input could be read")


def test_evaluate_answers_figures(captioner: Path, photos: Path) -> None:
    done = c3("evaluate", captioner, photos / "table.csv", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["items"] == 4
    assert 0 <= figures["bleu1"] <= 100
    assert figures["cider"] >= 0


def test_embed(space: Path, photos: Path, tmp_path: Path) -> None:
    done = c3("embed", space, "image", photos / "table.csv:image", "--out", tmp_path / "x", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 20
    assert c3("embed", space, "text", photos / "table.csv:caption", "--out", tmp_path / "y").returncode == 0


def test_fit_by_a_recipe_then_info(space: Path, photos: Path, tmp_path: Path) -> None:
    recipe = {
        "space": str(space),
        "decoder": {"name": "gpt2", **DECODER},
        "items": {"text": str(photos / "table.csv:caption"), "image": str(photos / "table.csv:image")},
        "training": TRAINING,
    }
    (tmp_path / "fit.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    done = c3("fit", tmp_path / "fit.yaml", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    described = json.loads(c3("info", tmp_path / "out", "--json").stdout)
    assert described["trained_on"][0]["statistics_of"] == {"text": 20, "image": 4}
    assert described["licenses"] == {"encoder:text": "own", "encoder:image": "own", "decoder": "own"}
    done = c3(
        "ablate",
        tmp_path / "fit.yaml",
        photos / "table.csv",
        "--bridges",
        "c1,c3",
        "--out",
        tmp_path / "runs",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [row["bridge"] for row in result["rows"]] == ["c1", "c3"]
    assert set(result["rows"][0]["cider"]) == {"mean", "std"}


# A shell's background jobs ignore interrupts, and so would what the tests start there.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def test_ctrl_c_between_two_trainings_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("c3core.experiments.fit.fit_recipe", stopped)
    (tmp_path / "fit.yaml").write_text("space: playground\nitems: {text: a.txt}\n")
    done = c3("fit", tmp_path / "fit.yaml", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (130, "stopped. Run the same command again to continue.\n")


def test_ctrl_c_says_how_to_go_on(space: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("a red circle\n" * 200_000)
    words = ["embed", space, "text", tmp_path / "long.txt", "--out", tmp_path / "store", "--shard-rows", 2048]
    process = subprocess.Popen(
        [sys.executable, "-c", f"{HEARS}; from c3core.cli import main; main()", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not [*(tmp_path / "store").glob("shard-*.parquet")]:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.count("the same command again") == 1
    assert "Traceback" not in said


def test_wrong_calls_are_one_clear_error(captioner: Path, space: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "store.json").write_text("[]")
    fails("run", "nowhere", photos / "0.png", status=2, says="no pipeline at nowhere")
    fails("run", captioner, "no.png", "-m", "image", status=2, says="does not exist")
    fails("run", captioner, photos / "0.png", "-o", "num_beam=3", status=2, says="did you mean num_beams")
    fails("embed", "playgroud", "image", photos, "--out", tmp_path / "x", status=2, says="did you mean playground")
    fails("evaluate", captioner, photos / "table.csv", "--input-column", "imag", status=2, says="did you mean image")
    fails("info", tmp_path, status=2, says="neither a pipeline")
    (tmp_path / "begun" / "run").mkdir(parents=True)
    (tmp_path / "begun" / "run" / "run.json").write_text("{}")
    for command in (["info"], ["run", "-m", "image"]):
        words = [*command, tmp_path / "begun", *([photos / "0.png"] if len(command) > 1 else [])]
        fails(*words, status=2, says="Run the `c3 fit` or `c3 connect` that began it again")
    for command in (
        ["fit", "f.yaml"],
        ["embed", "playground", "image", photos],
        ["demo"],
    ):
        fails(*command, "--out", photos / "0.png", status=2, says="0.png is a file. Name a folder")
    fails("demo", "--out", "", status=2, says="it is empty. Name a folder")
    fails("embed", space, "image", photos, "--out", photos, status=2, says="is not empty")
    fails("embed", space, "image", photos, "--out", tmp_path / "x", "--workers", -1, status=2, says="'--workers'")
    fails(
        "embed",
        space,
        "image",
        tmp_path / "list.txt",
        "--out",
        tmp_path / "x",
        "--root",
        "no",
        status=2,
        says="root no is no folder",
    )
    fails("demo", "--out", photos / "0.png" / "below", status=2, says="0.png is no folder")
    fails("connect", tmp_path / "no.yaml", "--out", tmp_path / "y", status=2, says="no recipe at")
    fails("info", tmp_path / "list", says="must hold fields")
    fails("run", captioner, photos / "0.png", "-o", "num_beams=[3", status=2, says="cannot be read")
    fails("demo", "--task", "captoin", status=2, says="did you mean caption")
    fails("run", captioner, status=2, says="Missing argument")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "playground/captioner", "playground:image/test/3"),
        ("run", "playground/captioner", "playground:image/test/3:image", "-m", "image"),
        ("evaluate", "playground/captioner", "playground:image/test/3"),
        ("embed", "playground", "image", "playground:image/test/3", "--out", "store"),
        ("theory", "cone", "--table", "playground:image/test/3"),
    ],
)
def test_a_root_that_would_do_nothing_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    fails(*words, "--root", tmp_path, status=2, says="root has no effect on playground:image/test/3")


def test_a_file_that_is_not_utf8(captioner: Path, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    fails("run", captioner, tmp_path / "latin.txt", "-m", "text", says="not UTF-8")


def test_no_room_and_a_read_only_place_are_one_error_and_what_was_done_is_kept(
    space: Path, photos: Path, tmp_path: Path
) -> None:
    recipe = {"space": str(space), "decoder": {"name": "gpt2", **DECODER}, "training": TRAINING}
    recipe["items"] = {"text": f"{photos}/table.csv:caption", "image": f"{photos}/table.csv:image"}
    (tmp_path / "fit.yaml").write_text(json.dumps(recipe))
    for limit in (3_000, 60_000):  # the embeddings do not fit, then the checkpoint
        done = in_a_process("fit", tmp_path / "fit.yaml", "--out", tmp_path / "out", largest_file=limit)
        assert done.returncode == 1, done.stderr
        assert "cannot write" in done.stderr
        assert "Free some room" in done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "run" / "embeddings" / "text" / "store.json").is_file()
    done = c3("fit", tmp_path / "fit.yaml", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    fails("fit", tmp_path / "fit.yaml", "--out", "/proc/captioner", says="cannot write")

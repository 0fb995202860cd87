"""`c3 run --out captions.csv`: a table of captions, which a killed run goes on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from c3_gpt2.decoder import CaptionDecoder
from c3_playground.world import World
from c3core.data import load_table
from tests.helpers.command_line import c3, fails
from tests.helpers.spaces import write_mixed_files

READERS: dict[str, Callable[[Path], Any]] = {
    "csv": pd.read_csv,
    "jsonl": lambda path: pd.read_json(path, lines=True),
    "parquet": pd.read_parquet,
}
CAPTIONER = "playground/captioner"
SAMPLED = ("--batch-size", 4, "-o", "do_sample=true", "-o", "max_new_tokens=8")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 pictures, and two files in the first batch that are none."""
    folder = tmp_path_factory.mktemp("photos")
    for number, item in enumerate(World().items("image", "test", 18)):
        Image.fromarray(item.data).save(folder / f"{number:02d}.png")
    for name in ("00-broken.png", "01-broken.png"):
        (folder / name).write_bytes(b"no picture")
    return folder


def killed(calls: int, *words: object) -> None:
    """Run `c3` in a process of its own, which is killed in the middle: when it generates for the `calls`-th time."""
    process = os.fork()
    if not process:
        try:
            torch.set_num_threads(1)  # the other threads were not forked
            generate, made = CaptionDecoder.generate, iter(range(1, calls))

            def until_killed(decoder: CaptionDecoder, *options: Any, **more: Any) -> Any:
                if next(made, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return generate(decoder, *options, **more)

            CaptionDecoder.generate = until_killed  # type: ignore[method-assign]
            print(c3(*words).stderr, file=sys.__stderr__)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("more", [(), ("--seeds", 2, "--best-of", 2, "--batch-size", 5)], ids=["plain", "seeds"])
def test_a_killed_run_ends_with_the_same_bytes(
    photos: Path, tmp_path: Path, suffix: str, more: tuple[object, ...]
) -> None:
    whole, parts = tmp_path / f"whole.{suffix}", tmp_path / f"parts.{suffix}"
    assert c3("run", CAPTIONER, photos, "--out", whole, *SAMPLED, *more).returncode == 0
    words = ("run", CAPTIONER, photos, "--out", parts, *SAMPLED, *more)
    for calls in (12, 4) if more else (3, 2):
        killed(calls, *words)
        assert not parts.exists()
    journal = parts.with_name(parts.name + ".part")
    with open(journal, "a") as handle:
        handle.write('[99, [{"sour')  # a line that was cut
    assert len(journal.read_text().splitlines()) > 8
    done = c3(*words)
    assert done.returncode == 0, done.stderr
    assert parts.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.glob("[!.]*")} == {whole.name, parts.name}
    assert not list(tmp_path.glob(".*.lock"))
    rows = READERS[suffix](parts)
    assert list(rows) == ["source", *(["seed"] if more else []), "caption", "error"]
    assert list(rows.source.unique()) == [str(path) for path in sorted(photos.iterdir())]
    assert set(rows[rows.error.isna()].source) == {str(path) for path in photos.glob("??.png")}
    assert rows.caption.nunique() > 5


def test_a_table_has_what_is_printed(tmp_path: Path) -> None:
    mix = write_mixed_files(tmp_path)
    (mix / "d.xyz").write_text("?")
    printed = json.loads(c3("run", CAPTIONER, mix, "--json").stdout)
    done = c3("run", CAPTIONER, mix, "--out", tmp_path / "out" / "captions.csv")
    assert done.stdout == f"{tmp_path}/out/captions.csv: 3 of 4 inputs\n"
    rows = pd.read_csv(tmp_path / "out" / "captions.csv", keep_default_na=False)
    good = rows[rows.error == ""]
    assert dict(zip(good.source, good.caption, strict=True)) == {
        row["input"]: row["output"] for row in printed["outputs"]
    }
    assert list(rows.error)[3] == printed["bad"][0]["why"]
    assert load_table(tmp_path / "out" / "captions.csv").column("caption") == [*good.caption, ""]


def test_rows_of_a_store_and_of_a_list_name_their_sources(photos: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in sorted(photos.glob("??.png"))[:6]]
    (tmp_path / "list.txt").write_text("\n".join(paths))
    assert c3("embed", "playground", "image", tmp_path / "list.txt", "--out", tmp_path / "store").returncode == 0
    for number, given in enumerate((tmp_path / "list.txt", tmp_path / "store")):
        out = tmp_path / f"{number}.jsonl"
        assert c3("run", CAPTIONER, given, "--out", out, "--batch-size", 4).returncode == 0
        assert [json.loads(line)["source"] for line in out.read_text().splitlines()] == paths
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_run_of_a_store_goes_on(photos: Path, tmp_path: Path) -> None:
    assert c3("embed", "playground", "image", photos, "--out", tmp_path / "store").returncode == 0
    words = ("run", CAPTIONER, tmp_path / "store", *SAMPLED, "--out")
    assert c3(*words, tmp_path / "whole.csv").returncode == 0
    killed(4, *words, tmp_path / "parts.csv")
    assert c3(*words, tmp_path / "parts.csv").returncode == 0
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_another_call_does_not_go_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "captions.csv"
    words = ("run", CAPTIONER, photos, "--out", out, "--batch-size", 4)
    killed(3, *words)
    fails(*words, "--seed", 1, status=2, says="had other seeds. Give another --out, or remove")
    fails(*words, "-o", "num_beams=2", status=2, says="had other options.")
    fails("run", CAPTIONER, photos / "00.png", "--out", out, status=2, says="had other inputs.")
    (photos / "02.png").touch()
    os.utime(photos / "02.png", (1, 1))
    fails(*words, status=2, says="had other inputs.")
    (tmp_path / "captions.csv.part").unlink()
    assert c3(*words, "--batch-size", 3).returncode == 0


def test_a_finished_table_is_not_made_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "captions.csv"
    words = ("run", CAPTIONER, photos, "--out", out)
    assert c3(*words).returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(CaptionDecoder, "generate", None)
    for more in ((), ("--batch-size", 3)):
        again = c3(*words, *more)
        assert (again.returncode, again.stderr) == (0, "")
        assert again.stdout == f"nothing left to do: {out} is finished, with 18 of 20 inputs\n"
    fails(*words, "--seed", 1, status=2, says=f"{out} was made with other seeds. Give another --out, or remove it.")
    fails(*words, "-o", "num_beams=2", "--seeds", 2, status=2, says="was made with other options and seeds.")
    fails("run", CAPTIONER, photos / "00.png", "--out", out, status=2, says="was made with other inputs.")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with open(out, "a") as handle:
        handle.write("\n")
    fails(*words, status=2, says=f"{out} was changed after it was made. Give another --out")
    (tmp_path / ".captions.csv.json").unlink()
    fails(*words, status=2, says=f"{out} exists, and nothing tells how it was made. Give another --out")


def test_a_file_whose_name_is_not_utf8_is_in_the_table(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "00.png", tmp_path / "caf\udce9.png")
    for says in ("1 of 1 inputs", "nothing left to do"):
        done = c3("run", CAPTIONER, tmp_path, "--out", tmp_path / "captions.csv")
        assert done.returncode == 0, done.stderr
        assert says in done.stdout
    assert "caf\\udce9.png" in (tmp_path / "captions.csv").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
@pytest.mark.parametrize("more", [(), ("--modality", "image")], ids=["guessed", "said"])
def test_a_table_in_the_folder_of_its_inputs_is_none_of_them(
    photos: Path, tmp_path: Path, more: tuple[object, ...]
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    words = ("run", CAPTIONER, folder, "--out", folder / "captions.csv", "--batch-size", 4, *more)
    killed(3, *words)
    for says in ("captions.csv: 18 of 20 inputs", "nothing left to do"):
        done = c3(*words)
        assert done.returncode == 0, done.stderr
        assert says in done.stdout
    assert len(pd.read_csv(folder / "captions.csv")) == 20


def test_names_that_do_not_fit_are_one_clear_error(photos: Path, tmp_path: Path) -> None:
    painter = ("run", "playground/painter-stylegan", "a red ring")
    fails(*painter, "--out", tmp_path / "x.csv", status=2, says="makes .png files, which")
    fails(*painter, "--out", tmp_path / "x.PNG", status=2, says="which go into a folder")
    fails(*painter, status=2, says="Name a folder: --out FOLDER.")
    fails("run", CAPTIONER, photos, "--out", tmp_path / "x", status=2, says="Name one: --out")
    fails("run", CAPTIONER, photos, "--out", tmp_path / "x.csv", "--json", status=2, says="Leave one of them out")
    (tmp_path / "x.csv").mkdir()
    fails("run", CAPTIONER, photos, "--out", tmp_path / "x.csv", status=2, says="is a folder. Name a file")
    (tmp_path / "y.csv.part").write_text("[1]\n")
    fails("run", CAPTIONER, photos, "--out", tmp_path / "y.csv", says="y.csv.part was changed. Remove it")


def test_a_table_of_nothing_but_errors_is_written_and_said(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "captions.parquet"
    done = c3("run", CAPTIONER, photos / "00-broken.png", "--out", out)
    assert done.returncode == 1
    assert "no input could be read" in done.stderr
    assert pd.read_parquet(out).error.notna().all()
    fails("run", CAPTIONER, photos / "00-broken.png", "--out", out, status=1, says="no input could be read")

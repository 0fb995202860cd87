"""What several pipelines make of the same inputs, on one page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from c3_paper.compare_page import write_page
from c3core.contracts import BadItem
from tests.helpers.command_line import c3
from tests.helpers.spaces import fitted, pictures, write_space


def sources_of(page: Path) -> list[Path]:
    return [page.parent / name for name in re.findall(r"src='([^']+)'", page.read_text(encoding="utf-8"))]


def test_captioners_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    space = write_space(tmp_path / "space")
    for bridge in ("c1", "c3"):
        fitted(space, bridge).save_pretrained(tmp_path / "runs" / f"{bridge}-0")
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(pictures(3)):
        Image.fromarray(picture).save(tmp_path / "photos" / f"{number} & more.png")
    runs = [tmp_path / "runs" / name for name in ("c1-0", "c3-0")]
    words = ["--inputs", tmp_path / "photos", "--limit", 2, "--out", tmp_path / "page", "-o", "max_new_tokens=5"]
    done = c3("compare", *runs, *words)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "page" / "index.html"
    assert done.stdout.strip() == str(page)
    text = page.read_text(encoding="utf-8")
    assert text.count("<dt>c1-0</dt>") == text.count("<dt>c3-0</dt>") == 2
    assert "0 &amp; more.png" in text
    assert [path.is_file() for path in sources_of(page)] == [True, True]


def test_painters_side_by_side(tmp_path: Path) -> None:
    words = ["-m", "text", "--inputs", "a red ring", "--inputs", "<b>", "--out", tmp_path]
    done = c3("compare", "playground/painter-stylegan", "playground/painter-stylegan", *words)
    assert done.returncode == 0, done.stderr
    first, _ = sources_of(tmp_path / "index.html")
    assert Image.open(first).size == (32, 32)
    assert "&lt;b&gt;" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_an_input_that_repeats_is_shown_once(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a red ring\na red ring\na blue box\n")
    painter = "playground/painter-stylegan"
    done = c3("compare", painter, "-m", "text", "--inputs", tmp_path / "list.txt", "--limit", 2, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(sources_of(tmp_path / "index.html")) == 2
    assert "a blue box" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_one_that_could_not_be_read_is_said(tmp_path: Path) -> None:
    page = write_page(tmp_path, ["a", "b"], {"x": [BadItem("a", "it is empty"), "fine"]})
    assert "left out: it is empty" in page.read_text(encoding="utf-8")

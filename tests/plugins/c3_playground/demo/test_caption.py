"""The captioning demo, on fewer items and steps."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from c3_playground.demo import caption
from c3_playground.demo.captioners import Plan


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name == "src"]


SHORT = Plan(sentences=80, unlabelled=30, tested=200, shown=14, steps=4, batch_size=32)


def test_it_writes_the_results_and_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    caption.demo(out=tmp_path, seed=0, plan=SHORT)
    result = json.loads((tmp_path / "results.json").read_text())
    assert [(row["method"], row["modality"]) for row in result["rows"]] == [
        (method, "image") for method in ("c1", "c2_1", "c2_2", "c3")
    ]
    assert all({"cider", "bleu4", "factor_accuracy"} <= set(row) for row in result["rows"])
    page = Page()
    page.feed((tmp_path / "index.html").read_text())
    assert page.tags.count("audio") == 3  # those that the shipped captioner describes
    assert page.tags.count("details") == 1
    assert page.tags.count("table") == 1
    assert all(source.startswith("data:") for source in page.sources)  # opens without a server
    text = (tmp_path / "index.html").read_text()
    assert "the first 14 of 200 unseen items" in text
    assert "2 more" in text
    assert "the first captions, after" in capsys.readouterr().out


def test_everything_is_every_modality(tmp_path: Path) -> None:
    plan = Plan(modalities=("image", "video", "audio"), sentences=80, unlabelled=30, tested=200, shown=2, steps=2)
    caption.demo(out=tmp_path, plan=plan)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {row["modality"] for row in rows} == {"image", "video", "audio"}
    assert len(rows) == 12


@pytest.mark.slow
def test_collapse_and_noise_help_each_modality(tmp_path: Path) -> None:
    """The whole demo: C¹ is far below C³, which is best or within 10 % of it, by CIDEr."""
    caption.demo(out=tmp_path, seed=0, everything=True)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    for modality in ("image", "video", "audio"):
        cider = {row["method"]: row["cider"] for row in rows if row["modality"] == modality}
        assert (
            cider["c1"] < {"image": 0.7, "video": 0.8, "audio": 0.7}[modality] * cider["c3"]
        )  # 0.58, 0.71, 0.51 with bfloat16
        assert cider["c3"] > 0.9 * max(cider.values())

"""The paper's tables and figures: all there, each with the command that makes ours."""

from __future__ import annotations

import json

import pytest

from c3_metrics import COCO
from c3_paper.published import BASELINES, TABLES, items, rows
from c3core.bridges.presets import PRESETS
from c3core.testing import PluginContract
from tests.helpers.command_line import c3, fails

IDS = [f"table{k}" for k in range(1, 8)] + [f"fig{k}" for k in (3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14)]


class TestPlugin(PluginContract):
    plugin = "c3_paper"


def test_every_table_and_figure_is_there_with_its_fields() -> None:
    assert [*items()] == IDS
    for item in items().values():
        assert item.keys() == {"id", "title", "command", "rows"}
        assert item["command"].startswith("c3 ")


def test_what_is_printed_is_what_the_paper_has() -> None:
    by_method = {row["method"]: row for row in items()["table2"]["rows"]}
    assert by_method["C³"]["cider"] == 93.3
    assert by_method["C¹"]["cider"] == 13.0
    assert [row["cider"] for row in items()["table5"]["rows"]][-5:] == [106.6, 109.7, 109.2, 108.8, 108.9]
    assert [row["rouge1"] for row in items()["table6"]["rows"]] == [85.5, 76.3, 55.8, 40.6, 30.5, 24.1, 16.6, 13.8]


@pytest.mark.parametrize("name", [*TABLES, *BASELINES])
def test_published_rows_are_of_known_bridges_and_metrics(name: str) -> None:
    assert rows(name)
    for row in rows(name):
        assert row["bridge"] in PRESETS
        figures = row.keys() - {"bridge", "method", "modality", "fraction"}
        assert figures <= {*COCO, "inception_fid", "inception_score"}
        assert all(isinstance(row[figure], float) for figure in figures)


def test_the_command_lists_prints_and_gives_json() -> None:
    listed = c3("paper").stdout
    assert all(f"{item['id']}: {item['title']}" in listed for item in items().values())
    shown = c3("paper", "table2").stdout
    assert "93.3" in shown
    assert "c3 ablate table2.yaml" in shown
    assert json.loads(c3("paper", "--json").stdout) == [*items().values()]
    assert json.loads(c3("paper", "table6", "--json").stdout) == [items()["table6"]]
    fails("paper", "table22", status=2, says="did you mean table2")

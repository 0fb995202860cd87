"""The paper's tables and figures, as printed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from c3core.io import load_yaml

TABLES = ("table2", "table3", "table4", "table5", "table7")  # those with rows of bridges
BASELINES = {  # the name for `--against`: the table, and its method; a run of bridge c1
    "clipcap": ("table5", "ClipCap"),
    "ws_clipcap": ("table2", "WS-ClipCap"),
    "ws_clipcap_multi": ("table2", "WS-ClipCap-Multi"),
    "clipre": ("table2", "CLIPRe"),
    "magic": ("table2", "MAGIC"),
    "zerocap": ("table2", "ZeroCap"),
}


@cache
def items() -> dict[str, dict[str, Any]]:
    """Return the tables and figures by id: each has a `title`, the `command` that makes ours, and `rows`.

    >>> items()["table2"]["rows"][-1]["cider"], items()["fig4"]["title"][:27]
    (93.3, 'Variance of each dimension ')
    """
    text = Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    return {item["id"]: item for item in load_yaml(text, "paper.yaml")}


def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a table that have a bridge, or those of a baseline.

    >>> rows("clipcap")[0]["cider"], rows("table7")[2]["bridge"]
    (71.1, 'c2_2_span')
    """
    if name in BASELINES:
        table, method = BASELINES[name]
        return [row | {"bridge": "c1"} for row in items()[table]["rows"] if row["method"] == method]
    return [row for row in items()[name]["rows"] if "bridge" in row]

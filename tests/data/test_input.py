"""What an input names is decided in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core.data.input import parse_input


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("photos", "folder"),
        ("store", "store"),
        ("photos/a.jpg", "file"),
        ("photos/a[1].jpg", "file"),  # a name, not a pattern
        ("photos/*.jpg", "glob"),
        ("photos/*.png", "missing"),
        ("list.TXT", "list"),
        ("table.csv", "csv"),
        ("table.csv:image", "column"),
        ("other.csv:image", "missing"),
        ("broken.jpg", "file"),  # a link that leads nowhere
        ("playground:image/test/3", "table"),
        ("playground: a red ring", "missing"),
        ("a red ring", "missing"),
        ("a\0b", "missing"),
        ("x" * 5000, "missing"),
    ],
)
@pytest.mark.parametrize("within", [".", "inner"])
def test_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str, within: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / within
    (folder / "photos").mkdir(parents=True)
    (folder / "store").mkdir()
    for path in ("photos/a.jpg", "photos/a[1].jpg", "list.TXT", "table.csv", "store/store.json"):
        (folder / path).touch()
    (folder / "broken.jpg").symlink_to("nowhere")
    assert parse_input(name, within).kind == kind
    assert parse_input(str(folder / name)).kind == (kind if ":" not in name or ".csv" in name else "missing")

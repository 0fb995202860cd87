"""Reading tables with a column for each modality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core.data.pairs import Pairs
from c3core.data.tables import Table, read_table
from c3core.errors import C3Error, CorruptFile, WrongCall
from tests.helpers.labelled import Labelled


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos/{a,b}.jpg and a table of them."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in ("a", "b"):
        Path(f"photos/{name}.jpg").write_text("x")
    Path("photos/table.csv").write_text('image,caption\na.jpg,"one, two"\n\nb.jpg,"line\nbreak"\n')
    return tmp_path


def test_a_table_has_a_column_for_each_modality_with_paths_that_can_be_opened(here: Path) -> None:
    table = read_table("photos/table.csv")
    assert table.columns == {"image": ["photos/a.jpg", "photos/b.jpg"], "text": ["one, two", "line\nbreak"]}
    assert list(table.columns) == ["image", "text"]  # as in the file
    assert table.rows == 2
    assert read_table("photos/table.csv", root=here / "photos").columns["image"][0] == str(here / "photos" / "a.jpg")


def test_a_column_without_the_name_of_a_file_keeps_its_cells(here: Path) -> None:
    Path("t.csv").write_text("image,id,text,caption\nphotos/a.jpg,7,t,c\nphotos/missing.jpg,8,t,c\n")
    assert read_table(here / "t.csv").columns == {
        "image": [str(here / "photos/a.jpg"), str(here / "photos/missing.jpg")],
        "id": ["7", "8"],
        "text": ["t", "t"],
        "caption": ["c", "c"],
    }


def test_wrong_tables_are_refused(here: Path) -> None:
    Path("t.csv").write_text("image,text\na,b\n")
    with pytest.raises(C3Error, match="no column 'audio': known: image, text"):
        read_table("t.csv").column("audio")
    with pytest.raises(C3Error, match="no column 'imge': did you mean image"):
        read_table("t.csv").column("imge")
    Path("t.csv").write_text("image,text\n")
    with pytest.raises(C3Error, match="a header but no rows"):
        read_table("t.csv")
    with pytest.raises(C3Error, match="does not exist"):
        read_table("missing.csv")
    with pytest.raises(C3Error, match="is a folder, not a table"):
        read_table(".")
    Path("t.jsonl").write_text('{"image": "a.jpg"}\n')
    with pytest.raises(WrongCall, match=r"t.jsonl is no table: save it as .csv or .tsv"):
        read_table("t.jsonl")
    with pytest.raises(C3Error, match="one length: a 1, b 2"):
        Table({"a": ["1"], "b": ["1", "2"]})


@pytest.mark.parametrize(
    ("name", "header", "mark"),
    [("t.csv", "image;text", "';'"), ("t.csv", "image\ttext", "t'"), ("t.tsv", "a,b", "','")],
)
def test_a_table_with_another_separator_is_told_from_one_with_one_column(
    here: Path, name: str, header: str, mark: str
) -> None:
    Path(name).write_text(f"{header}\n{header}\n")
    with pytest.raises(CorruptFile, match=f"separates its columns by .*{mark}"):
        read_table(name)
    Path(name).write_text("text\none; two\n")
    assert read_table(name).columns == {"text": ["one; two"]}


def test_a_quote_in_a_tsv_is_a_character(here: Path) -> None:
    Path("t.tsv").write_text('image\tcaption\n0.png\t"a dog\n1.png\ta cat"\n2.png\t"birds"\n')
    assert read_table("t.tsv").column("text") == ['"a dog', 'a cat"', '"birds"']
    Path("t.tsv").write_text('image\tcaption\n0.png\tone\n1.png\t"he said ""hi"""\n')  # as pandas writes it
    with pytest.raises(CorruptFile, match="line 3 has a cell in quotes"):
        read_table("t.tsv")
    Path("t.tsv").write_text('image\tcaption\n0.png\t"two\nlines"\n')
    with pytest.raises(CorruptFile, match="row 1 has 2 cells|row 2 has 1 cells"):
        read_table("t.tsv")


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\t\r\n")).filter(
    lambda cell: not (cell.startswith('"') and '""' in cell)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, st.sampled_from(["x", "y"])), min_size=1))
def test_any_cells_of_a_tsv_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    table = tmp_path_factory.getbasetemp() / "any.tsv"
    table.write_text("".join("\t".join(row) + "\n" for row in [("text", "kind"), *rows]), encoding="utf-8", newline="")
    assert read_table(table).columns == {"text": [text for text, _ in rows], "kind": [kind for _, kind in rows]}


def test_columns_and_pairs_are_taken_by_position() -> None:
    column = Labelled(["a", "b", "c"])
    assert Table({"image": column, "text": ["1", "2", "3"]}).columns == {
        "image": ["a", "b", "c"],
        "text": ["1", "2", "3"],
    }
    pairs = Pairs(source=column, modality="image", target=column, item=np.arange(3))  # type: ignore[arg-type]
    assert (pairs.source, pairs.target, pairs.item) == (["a", "b", "c"], ["a", "b", "c"], [0, 1, 2])
    with pytest.raises(WrongCall, match="not one string"):
        Pairs(source="abc", modality="text", target=["1", "2", "3"])
    with pytest.raises(WrongCall, match="not a dict"):
        Table({"image": {"a": 1}, "text": ["1"]})  # type: ignore[dict-item]


def test_rows_are_grouped_by_their_input() -> None:
    array = [1, 2]  # a source need not be a string, nor hashable
    table = Table({"image": ["b", array, "b", array], "text": ["1", "2", "3", "4"]})
    assert table.grouped("image", "text") == [("b", ["1", "3"]), (array, ["2", "4"])]
    with pytest.raises(C3Error, match="no column 'imag': did you mean image"):
        table.grouped("imag", "text")


def test_waves_with_a_rate_are_grouped_by_identity() -> None:
    waves = [(np.zeros(4), 16_000), (np.ones(4), 16_000)]
    grouped = Table({"audio": [waves[0], waves[0], waves[1]], "text": ["a", "b", "c"]}).grouped("audio", "text")
    assert [said for _, said in grouped] == [["a", "b"], ["c"]]
    assert all(source is wave for (source, _), wave in zip(grouped, waves, strict=True))


def test_the_head_of_a_table() -> None:
    table = Table({"image": ["a.png", "b.png", "c.png"], "text": ["x", "y", "z"]})
    assert table.head(2).columns == {"image": ["a.png", "b.png"], "text": ["x", "y"]}
    assert table.head(3) is table.head(None) is table

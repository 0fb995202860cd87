"""Finding the sources that inputs name."""

from __future__ import annotations

import csv
import glob
import os
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core import Reader, load_items
from c3core.data.items import Items, guess_items
from c3core.data.tables import load_table, read_table
from c3core.errors import C3Error, WrongCall


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos/{a,b}.jpg, photos/sub/c.jpg, hidden ones, a list and a table."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/b.jpg", "photos/a.jpg", "photos/sub/c.jpg", "photos/.hidden.jpg", "photos/.cache/d.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    Path("photos/list.txt").write_text("a.jpg\n\n  sub/c.jpg  \r\n/abs/z.jpg\n")
    Path("captions.txt").write_text("a red cube\n\n  two balls\r\n", newline="")
    Path("photos/table.csv").write_text('image,caption\na.jpg,"one, two"\n\nb.jpg,"line\nbreak"\n')
    return tmp_path


def items(inputs: Sequence[str], *, root: str | None = None, text: bool = False) -> Items:
    found = load_items(inputs, "text" if text else "image", root=root)
    assert isinstance(found, Items)
    return found


def pairs(*inputs: str, root: str | None = None, text: bool = False) -> list[tuple[str, str]]:
    return [(source.id, source.source) for source in items(inputs, root=root, text=text).named()]


def paths(*inputs: str, root: str | None = None) -> list[str]:
    return [source for _, source in pairs(*inputs, root=root)]


def test_files_folders_globs_in_the_order_they_are_named(here: Path) -> None:
    Path("photos/list.txt").unlink()
    Path("photos/table.csv").unlink()
    everything = ["photos/a.jpg", "photos/b.jpg", "photos/sub/c.jpg"]
    assert pairs("photos") == [(name, name) for name in everything]
    assert [*load_items("photos/b.jpg", "image", folder=Path())] == [
        "photos/b.jpg"
    ]  # as a recipe in this folder has it
    assert paths("photos/b.jpg", "photos/a.jpg") == ["photos/b.jpg", "photos/a.jpg"]
    assert paths("photos/*.jpg") == everything[:2]
    assert paths("photos/**/*.jpg") == everything
    assert paths("photos/b.jpg", "photos/sub") == ["photos/b.jpg", "photos/sub/c.jpg"]
    assert paths(str(here / "photos")) == [str(here / name) for name in everything]


def test_folders_are_sorted_by_the_parts_of_a_path(here: Path) -> None:
    for name in ("tree/b/1", "tree/b-c", "tree/a", "tree/B"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert paths("tree") == ["tree/B", "tree/a", "tree/b/1", "tree/b-c"]


@pytest.mark.parametrize(
    "pattern",
    [
        "photos/*",
        "*/*.jpg",
        "**/*.jpg",
        "photos/**",
        "photos/**/*",
        "ph?tos/[ab].jpg",
        "photos/.*",
        "*",
        "*/sub/c.jpg",
        "**/.*",
    ],
)
def test_globs_match_the_files_of_the_standard_library(here: Path, pattern: str) -> None:
    Path("top.jpg").touch()
    Path("photos/list.txt").unlink()  # a list stands for its lines
    Path("captions.txt").unlink()
    expected = [name for name in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(name)]
    if expected:
        assert paths(pattern) == expected
    else:
        with pytest.raises(C3Error, match="matches no file|holds no items"):
            paths(pattern)


def test_names_may_hold_bytes_that_are_not_utf8_or_a_line_break(here: Path) -> None:
    for name in ("many/b\nc", "many/b/1", "many/b-c", "many/a\udcff", "many/B", "many/z/y/x"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert paths("many") == ["many/B", "many/a\udcff", "many/b/1", "many/b\nc", "many/b-c", "many/z/y/x"]


def test_a_cell_may_be_as_long_as_a_line(here: Path) -> None:
    Path("long.csv").write_text("a\n" + "x" * 200_000 + "\n")
    assert pairs("long.csv:a", text=True) == [("long.csv:1", "x" * 200_000)]


def test_links_are_followed_without_a_circle_and_pipes_are_left_to_the_reader(here: Path) -> None:
    Path("links").mkdir()
    Path("links/photos").symlink_to(here / "photos" / "sub")
    Path("links/up").symlink_to(here / "links")
    Path("links/broken.jpg").symlink_to("nowhere")
    Path("links/itself").symlink_to(here / "links" / "itself")
    os.mkfifo("links/pipe")
    assert paths("links") == ["links/broken.jpg", "links/itself", "links/photos/c.jpg", "links/pipe"]
    os.mkfifo("links/pipe.txt")
    with pytest.raises(C3Error, match=r"links/pipe\.txt is not a regular file"):
        pairs("links", text=True)


def test_an_unreadable_file_is_left_to_the_reader(here: Path) -> None:
    Path("photos/empty.jpg").touch()
    Path("photos/broken.jpg").symlink_to("nowhere")
    os.mkfifo("photos/pipe.jpg")
    named = ["photos/empty.jpg", "photos/broken.jpg", "photos/pipe.jpg"]
    assert paths(*named) == named


def test_a_store_in_a_folder_of_inputs_is_skipped(here: Path) -> None:
    before = paths("photos")
    Path("photos/store").mkdir()
    Path("photos/store/store.json").write_text("{}")
    Path("photos/store/shard-00000.parquet").touch()
    assert paths("photos") == before


def test_a_list_gives_paths_relative_to_it_or_to_root_or_for_text_its_lines(here: Path) -> None:
    assert pairs("photos/list.txt") == [
        ("photos/list.txt:1", "photos/a.jpg"),
        ("photos/list.txt:3", "photos/sub/c.jpg"),
        ("photos/list.txt:4", "/abs/z.jpg"),
    ]
    Path("else").mkdir()
    assert paths("photos/list.txt", root="else")[0] == "else/a.jpg"
    with pytest.raises(C3Error, match="root nowhere is no folder"):
        paths("photos/list.txt", root="nowhere")
    assert pairs("captions.txt", text=True) == [("captions.txt:1", "a red cube"), ("captions.txt:3", "  two balls")]


def test_a_column_of_a_table(here: Path) -> None:
    assert pairs("photos/table.csv:image") == [
        ("photos/table.csv:1", "photos/a.jpg"),
        ("photos/table.csv:2", "photos/b.jpg"),
    ]
    assert paths("photos/table.csv:image", root=str(here)) == [f"{here}/a.jpg", f"{here}/b.jpg"]
    assert [text for _, text in pairs("photos/table.csv:caption", text=True)] == ["one, two", "line\nbreak"]
    Path("t.tsv").write_text("\ufeffimage\tn\na.jpg \t1\n\t2\n", encoding="utf-8")
    assert pairs("t.tsv:image") == [("t.tsv:1", "a.jpg"), ("t.tsv:2", "")]
    assert pairs("photos/table.csv:text", text=True) == pairs("photos/table.csv:caption", text=True)
    assert read_table("photos/table.csv").column("caption") == ["one, two", "line\nbreak"]


class Recordings(Reader):
    takes_tables = True

    def read(self, source: Any) -> Any:
        return Path(source).read_text()


def test_a_table_may_be_an_item_itself(here: Path) -> None:
    Path("r.csv").write_text("1.0,2.0\n")
    assert [*load_items(["r.csv", "photos/table.csv:image"], "pulse", reader=Recordings())] == [
        "r.csv",
        "photos/a.jpg",
        "photos/b.jpg",
    ]
    with pytest.raises(WrongCall, match=r"say which column, r\.csv:COLUMN .*, or the modality if it is one item"):
        load_items("r.csv", "pulse")


def test_a_column_of_the_table_of_a_plugin() -> None:
    table = load_table("playground:image/test/2/2")
    rows = [f"playground:image/test/2/2:{row}" for row in (1, 2, 3, 4)]
    assert pairs("playground:image/test/2/2:caption", text=True) == list(zip(rows, table.column("text"), strict=True))
    assert pairs("playground:image/test/2/2", text=True) == pairs("playground:image/test/2/2:text", text=True)
    images = [*items(["playground:image/test/2/2:image"]).named()]
    assert [source.id for source in images] == rows  # one table, so that its columns are paired
    assert all((source.source == array).all() for source, array in zip(images, table.column("image"), strict=True))
    assert len(load_items("playground:image/test/2/2:image", None)) == 4
    with pytest.raises(WrongCall, match="say which column of the table playground:image/test/2"):
        load_items("playground:image/test/2", None)
    with pytest.raises(WrongCall, match="no column 'imag': did you mean image"):
        items(["playground:image/test/2:imag"])


def test_the_modality_of_a_column_of_a_plugin_is_its_name() -> None:
    known = ("text", "image", "audio")
    sources, guesses = guess_items("playground:image/test/2/1:image", known)
    assert [source.id for source in sources] == ["playground:image/test/2/1:1", "playground:image/test/2/1:2"]
    assert guesses == ["image", "image"]
    assert guess_items("playground:image/test/2/1:caption", known)[1] == ["text", "text"]
    assert guess_items("playground:image/test/2/1", known, target="text")[1] == ["image", "image"]
    with pytest.raises(WrongCall, match="say which modality"):
        guess_items("playground:image/test/2/1", known)


def test_text_that_names_no_file_is_an_item(here: Path) -> None:
    assert pairs("a red cube", "what is this?", "a [dog] runs*", text=True) == [
        (text, text) for text in ("a red cube", "what is this?", "a [dog] runs*")
    ]
    assert pairs("see data.csv: it is good", text=True)[0][1] == "see data.csv: it is good"
    assert pairs("x" * 5000, text=True)[0][1] == "x" * 5000


def test_a_folder_of_text_gives_the_lines_of_its_lists(here: Path) -> None:
    Path("notes").mkdir()
    Path("notes/b.txt").write_text("three")
    Path("notes/a.txt").write_text("one\ntwo\n")
    Path("notes/readme.md").write_text("not a list")
    assert pairs("notes", text=True) == [("notes/a.txt:1", "one"), ("notes/a.txt:2", "two"), ("notes/b.txt:1", "three")]
    assert pairs("notes/*", text=True) == pairs("notes", text=True)


def _write(name: str, data: bytes) -> Callable[[], None]:
    return lambda: Path(name).write_bytes(data) and None


@pytest.mark.parametrize(
    ("make", "named", "text", "message"),
    [
        (None, "photo", False, "photo does not exist (did you mean photos?)"),
        (None, "a red ring", False, "a red ring does not exist. Check the spelling; if these are words, say so"),
        (None, "*.png", False, "*.png matches no file. Check the spelling."),
        (None, "missing.txt", True, "missing.txt does not exist"),
        (None, "missing.csv:a", True, "missing.csv does not exist"),
        (None, "photos/table.csv:imag", False, "no column 'imag': did you mean image?"),
        (None, "photos/table.csv", False, "say which column, photos/table.csv:COLUMN (image, caption)"),
        (None, "photos/a.jpg", True, "photos/a.jpg is no list of texts"),
        (None, " ", True, "an input is empty"),
        (lambda: Path("hollow").mkdir(), "hollow", False, "hollow holds no items"),
        (lambda: Path("hollow").mkdir(), "hollow", True, "hollow holds no items"),
        (_write("e.txt", b""), "e.txt", True, "e.txt is empty"),
        (_write("e.txt", b"\n \n"), "e.txt", True, "e.txt holds no items"),
        (_write("e.csv", b""), "e.csv:a", True, "e.csv is empty"),
        (_write("e.csv", b"a\n"), "e.csv:a", True, "holds no items"),
        (_write("l.txt", b"\xffa"), "l.txt", True, "l.txt: line 1 is not UTF-8 (byte 1 of the line)"),
        (_write("l.txt", "a".encode("utf-16")), "l.txt", True, "l.txt: line 1 holds a NUL byte: it is no plain"),
        (_write("l.txt", b"a\0b"), "l.txt", True, "l.txt: line 1 holds a NUL byte"),
        (_write("l.txt", b"x" * (1 << 24)), "l.txt", True, "l.txt: line 1 is longer than 16 MB"),
        (_write("t.csv", b"a,a\n1,2\n"), "t.csv:a", True, "names a column twice: a"),
        (_write("t.csv", b"a,b\n1,2,3\n"), "t.csv:a", True, "row 1 has 3 cells, the header 2"),
        (_write("t.csv", b'a,b\n1,"2\n'), "t.csv:a", True, "t.csv: the row that ends at line 2 is no CSV"),
        (_write("t.csv", b'a\n"he said "hi""\n'), "t.csv:a", True, "may be left open, or stand single inside a cell"),
        (_write("t.csv", b"a\n1\0\n"), "t.csv:a", True, "line 2 holds a NUL byte"),
    ],
)
def test_a_wrong_input_is_refused_before_anything_is_read(
    make: Callable[[], None] | None, named: str, text: bool, message: str, here: Path
) -> None:
    if make:
        make()
    with pytest.raises(C3Error) as caught:
        items(["captions.txt" if text else "photos/b.jpg", named], text=text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_missing_file_is_left_to_the_reader_only_among_other_inputs(here: Path) -> None:
    assert pairs("photos/b.jpg", "photos/aa.jpg") == [(name, name) for name in ("photos/b.jpg", "photos/aa.jpg")]
    with pytest.raises(WrongCall, match="did you mean a.jpg"):
        items(["photos/aa.jpg"])


def test_a_fault_further_down_is_named_with_its_line(here: Path) -> None:
    Path("l.txt").write_bytes(b"fine\n" * 3 + b"caf\xe9\n")
    stream = items(["l.txt"], text=True).named()
    assert [next(stream).source for _ in range(3)] == ["fine"] * 3
    with pytest.raises(C3Error, match=r"line 4 is not UTF-8 \(byte 4 of the line\)"):
        next(stream)
    Path("t.csv").write_text("a,b\n1,2\n3\n")
    stream = items(["t.csv:a"], text=True).named()
    next(stream)
    with pytest.raises(C3Error, match="row 2 has 1 cells"):
        next(stream)


def test_an_empty_list_of_inputs_is_refused() -> None:
    with pytest.raises(WrongCall, match="no input was named"):
        items([])


def test_a_long_list_streams(tmp_path: Path) -> None:
    listed = tmp_path / "long.txt"
    listed.write_text("a sentence of some words\n" * 50_000)
    tracemalloc.start()
    stream = items([str(listed)], text=True)
    count = sum(1 for _ in stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 300_000  # the list has 1.25 MB
    assert len(items([str(listed), str(listed)], text=True)) == 100_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n")).filter(lambda line: line.strip()), min_size=1
    )
)
def test_any_lines_of_a_list_come_back(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    listed = tmp_path_factory.getbasetemp() / "any.txt"
    listed.write_bytes("\n".join(lines).encode())
    lines[0] = lines[0].removeprefix("\ufeff")
    expected = [line for line in lines if line.strip()]
    if expected:
        assert list(items([str(listed)], text=True)) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.sampled_from(["x", "y"])),
        min_size=1,
    )
)
def test_any_cells_of_a_csv_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    table = tmp_path_factory.getbasetemp() / "any.csv"
    with open(table, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "kind"), *rows])
    assert list(items([f"{table}:text"], text=True)) == [text for text, _ in rows]
    assert read_table(table).columns == {"text": [text for text, _ in rows], "kind": [kind for _, kind in rows]}

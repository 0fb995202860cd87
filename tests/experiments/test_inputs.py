"""The items that a recipe names."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core.errors import C3Error
from c3core.experiments.inputs import groups_of, sources_of
from c3core.experiments.recipe import FitRecipe


def recipe(**more: object) -> FitRecipe:
    return FitRecipe.model_validate({"space": "playground", "items": {"text": "a.txt"}, **more})


def test_text_is_a_file_from_the_recipes_folder_or_a_sentence_as_written(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "a.txt").write_text("one line\nanother\n")
    (folder / "t.csv").write_text("caption\na cell\n")
    named = ["a.txt", "a red circle", "t.csv:caption"]
    assert sources_of(recipe(), "text", named, folder) == ["one line", "another", "a red circle", "a cell"]
    long = "a red circle " * 30
    assert sources_of(recipe(), "text", [long], folder) == [long]


@pytest.mark.parametrize("name", ["sub/sentences", "b.txt", "b c.txt", "none.csv:caption"])
def test_a_misspelt_file_is_no_sentence(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    with pytest.raises(C3Error, match="does not exist"):
        sources_of(recipe(), "text", name, folder)


def test_no_input_at_all(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="items of text name no input"):
        sources_of(recipe(), "text", [], tmp_path)


def test_an_item_that_a_table_repeats_counts_once_but_for_text(tmp_path: Path) -> None:
    table = "playground:image/train/3/5"
    images, sentences = (sources_of(recipe(), modality, table, tmp_path) for modality in ("image", "text"))
    assert len(images) == 3
    assert len(sentences) == 15


def test_the_root_is_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    (tmp_path / "list.txt").write_text("a.png\n")
    assert sources_of(recipe(root="photos"), "image", "list.txt", tmp_path) == [str(tmp_path / "photos" / "a.png")]


def test_a_table_tells_which_texts_are_of_one_item(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("caption,image,place\none,a.png,x\n,a.png,y\nthree,b.png,x\n")
    (tmp_path / "named.csv").write_text("caption,image,item\none,a.png,1\ntwo,b.png,1\n")
    (tmp_path / "alone.csv").write_text("caption,place\none,x\n")
    known = ("text", "image")

    def groups(named: object, **more: object) -> list[object] | None:
        found = groups_of(recipe(items={"text": named}, **more), "text", known, tmp_path)
        texts = sources_of(recipe(**more), "text", named, tmp_path) if found else []  # type: ignore[arg-type]
        assert found is None or len(found) == len(texts)
        return found

    assert groups("t.csv:caption") == ["a.png", "a.png", "b.png"]
    assert groups(["t.csv:text"], limit=2) == ["a.png", "a.png"]
    assert groups("named.csv:caption") == ["1", "1"]
    assert groups("alone.csv:caption") is None
    assert groups(["t.csv:caption", "named.csv:caption"]) is None
    assert groups("a sentence") is None
    for table in ("playground:image/train/3/5", "playground:image/train/3/5:text"):
        found = groups(table)
        assert found is not None
        assert [found.count(one) for one in set(found)] == [5, 5, 5]
    assert groups_of(recipe(items={"image": "t.csv:image"}), "image", known, tmp_path) is None

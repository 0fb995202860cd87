"""Reading and checking recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.errors import C3Error, WrongCall
from c3core.experiments.inputs import items_of, pairs_of, validation_of
from c3core.experiments.recipe import FitRecipe, PairsRecipe, read_recipe
from c3core.spaces.recipe import ConnectRecipe

GOOD = "space: playground\nitems: {text: a.txt}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_part_is_a_name_or_a_name_with_options(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, GOOD + "bridge: c1\ndecoder: {name: gpt2, model: fresh}\n"), FitRecipe)
    assert (recipe.bridge.name, recipe.bridge.options) == ("c1", {})
    assert (recipe.decoder.name, recipe.decoder.options) == ("gpt2", {"model": "fresh"})


CONNECT = "name: small\ntowers: {text: {tower: a}, image: {tower: b}}\npairs: [{train: a.csv}]\n"


@pytest.mark.parametrize(
    ("text", "model", "command"),
    [(CONNECT, FitRecipe, "connect"), (GOOD, ConnectRecipe, "fit"), (GOOD + "name: small\n", ConnectRecipe, "fit")],
)
def test_the_recipe_of_another_command_names_that_command(tmp_path: Path, text: str, model: Any, command: str) -> None:
    with pytest.raises(WrongCall, match=f"recipe.yaml is a recipe for `c3 {command}`. Run: c3 {command} "):
        read_recipe(write(tmp_path, text), model)


def test_one_field_of_another_command_does_not_make_it_its_recipe(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="dim: no such field"):
        read_recipe(write(tmp_path, GOOD + "dim: 8\n"), FitRecipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "trainin: {}\n", "trainin: no such field, did you mean training"),
        (GOOD + "training: {learning_rate: fast}\n", "training.learning_rate"),
        (GOOD + "training: {stpes: 5}\n", "training.stpes: no such field, did you mean steps"),
        (GOOD + "training: {epochs: .inf}\n", "training.epochs"),
        (GOOD + "training: {betas: [0.9, 1.0]}\n", "training.betas"),
        (GOOD + "decoder: {name: gpt2, space: x}\n", "decoder.space is the pipeline's own"),
        ("items: {text: a.txt}\n", "give either space"),
        ("space: playground\nstart: x\nitems: {text: a.txt}\n", "give either space"),
        ("space: playground\n", "give items, or pairs"),
        (GOOD + "training: null\n", "training: null adds modalities to a trained pipeline: give start"),
        ("start: x\ntraining: null\n", "give start, and items of each"),
        ("start: x\nitems: {text: a.txt}\nbridge: c1\ntraining: null\n", "leave out bridge"),
        ("- a\n- b\n", "must hold fields"),
        (GOOD + "training: [1]\n", "training: must hold fields by name"),
        (GOOD + "training: {betas: 0.9}\n", "training.betas: must be a list"),
        (GOOD + "training: {steps: true}\n", "training.steps: must be a number, not True"),
        (GOOD + "decoder: null\n", "decoder: give a name"),
        (GOOD + "decoder: {model: fresh}\n", "decoder: give a name"),
        ("space: playground\nitems: {text: 5}\n", "items.text: give an input .*, or a list of them$"),
        ("space: playground\nitems: [a.txt]\n", "items: must hold fields by name"),
        (GOOD + "validation: 5\n", "validation: give an input .*, or a list of them$"),
        (
            GOOD + "validation: {table: a.csv}\n",
            "validation.source: Field required; validation.target: Field required$",
        ),
        (GOOD + "space: playground\n", "no valid YAML: line 3: 'space' is given twice"),
        (GOOD + "training: {learning_rate: 1.0, learning_rate: 0.1}\n", "line 3: 'learning_rate' is given twice"),
        ("space: {{ space }}\n", "no valid YAML"),
        ("space: [unclosed\n", "no valid YAML"),
        ("", "must hold fields"),
    ],
)
def test_a_wrong_recipe_names_the_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(C3Error, match=message):
        read_recipe(write(tmp_path, text), FitRecipe)


@pytest.mark.parametrize("written", ["1e-2", "1E-2", "+1e-2", ".1e-1", "1.e-2", "0.01", "10e-3"])
def test_a_number_is_a_number_in_any_field(tmp_path: Path, written: str) -> None:
    text = GOOD + f"bridge: {{name: c3, noise_std: {written}}}\ntraining: {{learning_rate: {written}}}\n"
    recipe = read_recipe(write(tmp_path, text), FitRecipe)
    assert recipe.training is not None
    assert recipe.bridge.options["noise_std"] == recipe.training.learning_rate == 0.01


def test_validation_is_inputs_or_pairs(tmp_path: Path) -> None:
    for written, held_out in (("b.txt", "b.txt"), ("[b.txt, c.txt]", ["b.txt", "c.txt"])):
        assert read_recipe(write(tmp_path, GOOD + f"validation: {written}\n"), FitRecipe).validation == held_out
    pairs = {"table": "a.csv", "source": "image", "target": "text"}
    recipe = read_recipe(write(tmp_path, GOOD + f"validation: {json.dumps(pairs)}\n"), FitRecipe)
    assert recipe.validation == PairsRecipe.model_validate(pairs)
    assert FitRecipe.model_validate(recipe.model_dump()) == recipe
    assert (
        FitRecipe(space="playground", items={"text": ("a.txt", "b.txt")}, validation=recipe.validation).validation
        == recipe.validation
    )


def test_fields_may_be_merged_from_an_anchor(tmp_path: Path) -> None:
    text = "space: playground\nitems: {text: a.txt}\nbridge: &one {name: c3, noise_std: 0.1}\n"
    text += "decoder: &two {<<: *one, name: gpt2, noise_std: 0.2}\nvalidation: {<<: *two, <<: *one, table: t.csv}\n"
    with pytest.raises(C3Error, match="validation.source"):  # read so far: the two merges are no field given twice
        read_recipe(write(tmp_path, text), FitRecipe)
    text = text[: text.index("validation")]
    assert read_recipe(write(tmp_path, text), FitRecipe).decoder.options == {"noise_std": 0.2}


def test_fields_may_be_changed_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "decoder: gpt2\nbridge: {name: c3, noise_std: 0.1}\n")
    changes = {"decoder.model": "fresh", "bridge.noise_std": 0.2, "training.steps": 5, "items.image": "a.png"}
    changed = read_recipe(path, FitRecipe, changes=changes)
    text = "space: playground\nitems: {text: a.txt, image: a.png}\ntraining: {steps: 5}\n"
    text += "decoder: {name: gpt2, model: fresh}\nbridge: {name: c3, noise_std: 0.2}\n"
    assert changed == read_recipe(write(tmp_path, text), FitRecipe)
    for wrong in ({"training.step": 5}, {"root.deeper.still": 1}, {"bridge.noise_std.deeper": 1}):
        with pytest.raises(WrongCall):
            read_recipe(path, FitRecipe, changes=wrong)


def test_a_limit_takes_the_first_items_and_the_pairs_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "t.csv").write_text("image,text\n0.png,a\n0.png,b\n1.png,c\n2.png,d\n")
    for number in range(3):
        (tmp_path / f"{number}.png").touch()
    given = {
        "space": "playground",
        "items": {"text": "a.txt", "image": "t.csv:image"},
        "pairs": {"table": "t.csv", "source": "image", "target": "text"},
        "validation": {"table": "t.csv", "source": "image", "target": "text"},
        "limit": 2,
    }
    recipe = FitRecipe.model_validate(given)
    assert items_of(recipe, tmp_path) == {"text": ["one", "two"], "image": [f"{tmp_path}/{k}.png" for k in (0, 1)]}
    for pairs in (pairs_of(recipe, recipe.pairs, tmp_path), validation_of(recipe, "text", tmp_path)):
        assert list(pairs.target) == ["a", "b", "c"]


def test_a_missing_or_binary_recipe(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="no recipe at"):
        read_recipe(tmp_path / "none.yaml", FitRecipe)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(C3Error, match="cannot be read as text"):
        read_recipe(tmp_path / "binary.yaml", FitRecipe)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_recipe_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("recipes") / "recipe.yaml"
    path.write_bytes(content)
    try:
        read_recipe(path, FitRecipe)
    except C3Error as error:
        assert str(path) in str(error)


def test_yaml_builds_no_objects(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="no valid YAML"):
        read_recipe(write(tmp_path, "!!python/object/apply:os.system ['echo']\n"), FitRecipe)


def table(folder: Path) -> str:
    lines = ["image,caption", *(f"{k}.png,caption {k} {n}" for k in range(10) for n in range(2))]
    (folder / "table.csv").write_text("\n".join(lines))
    return str(folder / "table.csv")


def test_a_fraction_is_a_share_of_the_items(tmp_path: Path) -> None:
    pairs = PairsRecipe(table=table(tmp_path), source="image", target="text", fraction=0.3).load(tmp_path)
    assert len(set(pairs.source)) == 3
    assert len(pairs.target) == 6
    again = PairsRecipe(table=table(tmp_path), source="image", target="text", fraction=0.3).load(tmp_path)
    assert again == pairs


def test_captions_go_with_other_captions_of_the_same_item(tmp_path: Path) -> None:
    pairs = PairsRecipe(table=table(tmp_path), source="text", target="text", item="image").load(tmp_path)
    assert len(pairs.source) == 20
    assert all(
        a != b and a.rsplit(" ", 1)[0] == b.rsplit(" ", 1)[0] for a, b in zip(pairs.source, pairs.target, strict=True)
    )
    other = PairsRecipe(table=table(tmp_path), source="text", target="caption", item="image").load(tmp_path)
    assert (other.source, other.target, other.modality) == (
        pairs.source,
        pairs.target,
        "text",
    )  # one column by two names
    with pytest.raises(C3Error, match="need `item`"):
        PairsRecipe(table=table(tmp_path), source="text", target="text").load(tmp_path)


def test_the_recipes_in_the_repository_are_valid() -> None:
    root = Path(__file__).parents[2]
    found = [*root.glob("examples/**/*.yaml"), *root.glob("plugins/**/*.yaml")]
    assert found
    for path in found:
        if path.name == "paper.yaml":  # figures of the paper
            continue
        read_recipe(path, ConnectRecipe if "\ntowers:" in path.read_text(encoding="utf-8") else FitRecipe)

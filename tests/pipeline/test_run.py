"""What a pipeline takes and gives in Python: one source or many, of one modality or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from c3_playground.world import World
from c3core import BadItem, C3Error, Pipeline, Store, WrongCall, load_items, load_pipeline
from tests.helpers.spaces import write_mixed_files


@pytest.fixture(scope="module")
def captioner() -> Pipeline:
    return load_pipeline("playground/captioner")


@pytest.fixture(scope="module")
def painter() -> Pipeline:
    return load_pipeline("playground/painter-stylegan")


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mixed_files(tmp_path_factory.mktemp("mix"))


def test_one_source_gives_one_output_and_many_give_a_list(captioner: Pipeline, mix: Path) -> None:
    path, picture = mix / "b.png", Image.open(mix / "b.png")
    expected = captioner.run([path], modality="image")
    assert isinstance(expected, list)
    for source in (path, str(path), picture, np.asarray(picture)):
        assert captioner(source) == expected[0]
        assert captioner([source, source]) == expected * 2
    assert captioner(iter([path])) == expected
    assert captioner([]) == []


def test_a_wave_with_its_rate_is_one_source(captioner: Pipeline) -> None:
    wave = World().items("audio", "test", 1)[0].data
    assert captioner((wave, 8000)) == captioner.run([(wave, 8000)], modality="audio")[0]


def test_further_keywords_are_options_of_the_decoder(captioner: Pipeline, mix: Path) -> None:
    assert captioner(mix / "b.png", max_new_tokens=1) == captioner.run(mix / "b.png", generation={"max_new_tokens": 1})
    assert captioner(mix / "b.png", generation={"max_new_tokens": 5}, max_new_tokens=1) == captioner(
        mix / "b.png", max_new_tokens=1
    )
    with pytest.raises(WrongCall, match="did you mean max_new_tokens"):
        captioner(mix / "b.png", max_new_token=1)


def test_sources_of_several_modalities_are_each_read_as_their_own(captioner: Pipeline, mix: Path) -> None:
    items = load_items(mix, None)
    expected = [captioner.run(str(path)) for path in items]
    assert captioner(items) == expected
    assert [Path(path).name for path in items] == ["a.wav", "b.png", "c.gif"]
    first, strange, last = captioner([mix / "a.wav", "notes.xyz", mix / "b.png"])
    assert [first, last] == expected[:2]
    assert isinstance(strange, BadItem)
    assert "modality=" in strange.why


def test_a_source_that_is_none_is_an_error_alone_and_a_bad_item_among_others(captioner: Pipeline, mix: Path) -> None:
    with pytest.raises(C3Error, match=r"missing\.png: no such file"):
        captioner("missing.png")
    assert isinstance(captioner(["missing.png", mix / "b.png"])[0], BadItem)
    with pytest.raises(WrongCall, match=r"load_items\('[^']*', 'image'\)"):
        captioner(mix, modality="image")
    with pytest.raises(WrongCall, match=r"load_items\('[^']*'\)\."):
        captioner(mix)
    assert len(list(load_items(mix))) == 3


def test_pictures_come_out_as_pil_images_that_can_be_read_again(painter: Pipeline) -> None:
    sentences = World().sentences(2, "test", "image")
    pictures = painter(sentences)
    assert all(isinstance(picture, Image.Image) for picture in pictures)
    embedded = painter.space.encode(pictures, "image")
    assert embedded.equal(painter.space.encode([np.asarray(picture) for picture in pictures], "image"))
    assert isinstance(painter(pictures[0], best_of=2), Image.Image)


def test_a_sentence_that_is_the_name_of_a_file_is_warned_of(
    painter: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("captions.txt").write_text("a star\n")
    with pytest.warns(UserWarning, match=r"captions\.txt is read as a sentence, .*load_items"):
        painter(["a red ring", "captions.txt"], modality="text")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"seed": -1}, "seed must be a whole number from 0 to 2\\*\\*32 - 1, got -1"),
        ({"seed": 2**32}, "got 4294967296"),
        ({"seed": 1.0}, "got 1.0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"best_of": 2.0}, "best_of must be a whole number of at least 1, got 2.0"),
    ],
)
def test_numbers_are_checked_before_a_source_is_read(wrong: dict[str, Any], says: str, captioner: Pipeline) -> None:
    with pytest.raises(WrongCall, match=says):
        captioner("missing.png", **wrong)
    with pytest.raises(WrongCall, match=says):
        captioner.check_run(**wrong)


def test_the_largest_seed_and_the_smallest_batch_are_taken(captioner: Pipeline, mix: Path) -> None:
    options = {"do_sample": True, "temperature": 2.0}
    sampled = [captioner([mix / "b.png"] * 3, seed=seed, batch_size=1, **options) for seed in (0, 0, 2**32 - 1)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert captioner.check_run(**options).model_dump()["temperature"] == 2.0


@pytest.mark.parametrize("best_of", [1, 2])
def test_runs_that_share_batches_draw_as_each_does_by_itself(captioner: Pipeline, mix: Path, best_of: int) -> None:
    runs = [["notes.xyz", mix / "b.png", mix / "b.png"], [mix / "b.png"], [mix / "b.png"] * 3]
    options: dict[str, Any] = {"modality": "image", "seed": 3, "best_of": best_of}
    options |= {"do_sample": True, "temperature": 2.0, "batch_size": 4}
    alone = [output for run in runs for output in captioner.run(run, **options)]
    made = captioner.stream([source for run in runs for source in run], restarts={0, 3, 4}, **options)
    together = [output for _, output in made]
    assert together == alone
    assert together[1] == together[3] == together[4] != together[2]
    with pytest.raises(WrongCall, match="Name it: modality"):
        next(captioner.stream(runs[1], restarts={0}))


@pytest.mark.parametrize("noise", ["random", "none"])
def test_drawings_that_share_batches_draw_as_each_does_by_itself(painter: Pipeline, noise: str) -> None:
    runs = [["a red ring", "a red ring"], ["a red ring"]]
    alone = [picture for run in runs for picture in painter.run(run, modality="text", noise=noise)]
    made = painter.stream([*runs[0], *runs[1]], modality="text", restarts={0, 2}, noise=noise)
    for (_, one), other in zip(made, alone, strict=True):
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), atol=1)
    assert np.abs(np.asarray(alone[0], float) - np.asarray(alone[1], float)).max() > 1


def test_a_store_is_run_batch_by_batch_in_order(captioner: Pipeline, tmp_path: Path) -> None:
    encoder, pictures = captioner.encoder("image"), [item.data for item in World().items("image", "test", 5)]
    about = {"space": encoder.space, "modality": "image", "fingerprint": encoder.fingerprint}
    store = Store.from_embeddings(tmp_path / "store", encoder.encode(pictures), **about)
    expected = captioner(pictures)
    for batch_size in (2, 5, 64):
        assert [*captioner.stream(store, batch_size=batch_size)] == [*enumerate(expected)]
        assert captioner.run(store, modality="image", batch_size=batch_size) == expected
    (batch,) = encoder.encode_batches(pictures)
    assert captioner.run(batch) == captioner.run([batch]) == expected  # it knows its modality
    with pytest.raises(WrongCall, match="these are image embeddings, not audio"):
        captioner.run(batch, modality="audio")


def test_two_streams_one_after_the_other_are_refused(captioner: Pipeline) -> None:
    batches = [*captioner.encoder("image").encode_batches([World().items("image", "test", 1)[0].data])] * 2
    with pytest.raises(C3Error, match="after position 0 comes 0"):
        captioner.run(batches)


def test_batches_are_made_so_that_so_many_outputs_are_made_at_once(
    captioner: Pipeline, mix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, generate = [], captioner.decoder.generate

    def counted(conditions: Tensor, *options: Any, **more: Any) -> list[Any]:
        sizes.append(len(conditions))
        return generate(conditions, *options, **more)

    monkeypatch.setattr(captioner.decoder, "generate", counted)
    captioner([mix / "b.png"] * 7, batch_size=3)
    assert sizes == [3, 3, 1]
    sizes.clear()
    captioner([mix / "b.png"] * 5, batch_size=6, best_of=3, do_sample=True)
    assert sizes == [6, 6, 3]
    sizes.clear()
    captioner([mix / "b.png"] * 2, batch_size=1, best_of=3, do_sample=True)
    assert sizes == [3, 3]


def test_several_modalities_are_streamed_one_after_the_other(captioner: Pipeline, mix: Path) -> None:
    sources = [mix / "a.wav", mix / "b.png", "notes.xyz", mix / "a.wav"]
    made = [*captioner.stream(sources)]
    assert [position for position, _ in made] == [2, 0, 3, 1]
    assert isinstance(made[0][1], BadItem)
    assert [output for _, output in sorted(made, key=lambda one: one[0])][:2] == captioner(sources)[:2]
    assert [position for position, _ in captioner.stream([mix / "b.png"] * 3, modality="image")] == [0, 1, 2]

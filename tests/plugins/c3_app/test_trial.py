"""What pipelines make of an input, without a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from c3_app.trial import Answer, Trial
from c3_playground.world import World
from c3core import C3Error, Pipeline, Store, load_bridge, load_decoder, load_pipeline, load_space, load_table
from c3core.errors import WrongCall
from tests.helpers.spaces import TRAINING, pictures, small_pipeline, write_space

pytest.importorskip("transformers", reason="needs the extra gpt2")
CAPTIONER, PAINTER = "playground/captioner", "playground/painter-stylegan"


@pytest.fixture(scope="module")
def both() -> Trial:
    return Trial([CAPTIONER, PAINTER], device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner as `c3 fit` leaves it: with the embeddings of its training."""
    folder = tmp_path_factory.mktemp("trained")
    pipeline = small_pipeline(load_space(str(write_space(folder / "of"))))
    items = {"text": World().sentences(60, modality="image"), "image": pictures(40)}
    pipeline.fit(items, training=TRAINING, quiet=True, folder=folder / "run", device="cpu").save_pretrained(folder)
    return folder


def answered(trial: Trial, source: Any, modality: str, seeds: Sequence[int] = (0,)) -> list[Answer]:
    found = trial.answers(source, modality, seeds)
    assert all(isinstance(answer, Answer) for answer in found), found
    return found  # type: ignore[return-value]


def test_the_outputs_are_those_of_the_pipelines(both: Trial) -> None:
    picture = pictures(1, "test")[0]
    caption, drawn = answered(both, picture, "image", range(3, 5))
    assert caption.outputs == [load_pipeline(CAPTIONER, device="cpu")(picture, seed=3)]
    painter = load_pipeline(PAINTER, device="cpu")
    assert [output.tobytes() for output in drawn.outputs] == [painter(picture, seed=n).tobytes() for n in (3, 4)]
    assert len(drawn.cosines) == 2
    assert both.inputs == ("image", "video", "audio", "text")


def test_the_cosine_is_that_of_the_centered_embeddings(both: Trial) -> None:
    """Computed here from the bridge's means: unit(e − ē) of the picture and of the caption."""
    picture = pictures(1, "test")[0]
    caption = answered(both, picture, "image")[0]
    pipeline = load_pipeline(CAPTIONER, device="cpu")
    means = pipeline.bridge.state()
    centered = [
        normalize(pipeline.space.encode(sources, modality).double() - means[f"{modality}.mean"], dim=-1)
        for sources, modality in (([picture], "image"), (caption.outputs, "text"))
    ]
    assert caption.cosines[0] == pytest.approx(float((centered[0] * centered[1]).sum()), abs=1e-5)


def test_the_nearest_sentences_and_views_are_of_samples_of_the_space(both: Trial) -> None:
    caption, drawn = answered(both, pictures(1, "test")[0], "image")
    assert caption.nearest_of == "100 sentences, samples of space playground"
    cosines = [cosine for _, cosine in caption.nearest]
    assert cosines == sorted(cosines, reverse=True)
    assert len(cosines) == 5
    assert caption.views is not None
    assert [*caption.views[0].clouds] == [f"{one}: 100 samples of space playground" for one in ("image", "text")]
    assert drawn.nearest == []
    assert drawn.views is not None
    assert [*drawn.views[1].clouds] == ["image: 100 samples of space playground"]


def test_a_pipeline_that_does_not_take_the_input_says_so(both: Trial) -> None:
    caption, drawn = both.answers("a red ring", "text")
    assert caption == "This pipeline takes no text."
    assert isinstance(drawn, Answer)


def test_encoders_that_are_the_same_are_loaded_once(both: Trial) -> None:
    captioner, painter = both.models
    assert both.encoder(captioner, "image") is both.encoder(painter, "image")


def test_a_bad_source_is_an_error_and_the_next_one_works(both: Trial, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(C3Error, match="broken.jpg: "):
        both.answers(str(broken), "image")
    assert len(answered(both, pictures(1)[0], "image")) == 2


def test_the_name_of_a_file_tells_its_modality(both: Trial, trained: Path) -> None:
    assert [both.modality_of(f"a.{suffix}") for suffix in ("png", "mp4", "wav", "gif")] == [
        "image",
        "video",
        "audio",
        "video",
    ]
    with pytest.raises(C3Error, match=r"^a\.xyz: the name does not tell which it is, image or video or audio"):
        both.modality_of("a.xyz")
    assert Trial([str(trained)], device="cpu").modality_of("a.xyz") == "image"


def test_what_is_unlike_the_known_items_is_remarked(both: Trial) -> None:
    photo = next(path for path in load_table("photos:samples").column("image") if path.endswith("coffee.jpg"))
    caption, _ = answered(both, photo, "image")
    assert any("unlike" in remark for remark in caption.remarks)


def test_the_sentences_of_the_training_are_known(trained: Path) -> None:
    trial = Trial([str(trained)], device="cpu")
    assert trial.inputs == ("image",)  # words are not an input of what makes words
    (caption,) = answered(trial, pictures(1)[0], "image")
    assert caption.nearest_of == "60 sentences, of the training"
    pipeline = load_pipeline(trained, device="cpu")
    sentences = World().sentences(60, modality="image")
    own, others = (
        pipeline.condition(pipeline.space.encode(sources, modality), modality)
        for sources, modality in ((pictures(1), "image"), (sentences, "text"))
    )
    assert caption.nearest[0][0] == sentences[int(cosine_similarity(own, others).argmax())]
    assert caption.views is not None
    assert [*caption.views[0].clouds] == ["image: 40 of the training", "text: 60 of the training"]


def test_embeddings_of_another_encoder_or_damaged_ones_are_left_alone(trained: Path, tmp_path: Path) -> None:
    load_pipeline(trained, device="cpu").save_pretrained(tmp_path)
    Store.from_embeddings(
        tmp_path / "run/embeddings/text", torch.eye(16), space="other", modality="text", fingerprint="other"
    )
    (caption,) = answered(Trial([str(tmp_path)], device="cpu"), pictures(1)[0], "image")
    assert (caption.nearest, caption.views) == ([], None)
    assert any("start with --items image=" in remark for remark in caption.remarks)
    (tmp_path / "run/embeddings/text/store.json").write_text("{")
    with pytest.warns(UserWarning, match="store.json"):
        Trial([str(tmp_path)], device="cpu")


def test_given_items_are_known(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a red ring\na blue star\n")
    given = {"text": [str(tmp_path / "captions.txt")], "image": ["playground:image/test/3/1"]}
    (caption,) = answered(Trial([str(trained)], given, device="cpu"), pictures(1)[0], "image")
    assert caption.nearest_of == "2 sentences, given by --items"
    assert {sentence for sentence, _ in caption.nearest} == {"a red ring", "a blue star"}
    assert caption.views is not None
    assert [*caption.views[0].clouds] == ["image: 3 given by --items", "text: 2 given by --items"]
    store = str(trained / "run/embeddings/text")
    (caption,) = answered(Trial([str(trained)], {"text": [store]}, device="cpu"), pictures(1)[0], "image")
    assert caption.nearest_of == "60 sentences, given by --items"


def test_given_items_that_cannot_be_used(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="no pipeline takes or makes 'audio'"):
        Trial([str(trained)], {"audio": ["a.wav"]}, device="cpu")
    with pytest.raises(WrongCall, match="made by another encoder"):
        Trial([CAPTIONER], {"text": [str(trained / "run/embeddings/text")]}, device="cpu")
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(C3Error, match="no image item can be read"):
        Trial([str(trained)], {"image": [str(tmp_path)]}, device="cpu")


def test_a_decoder_that_keeps_sentences_shows_the_nearest(tmp_path: Path) -> None:
    space = load_space("playground")
    pipeline = Pipeline(space, load_bridge("c3"), load_decoder("clipre", space=space))
    items = {"text": World().sentences(40, modality="image"), "image": pictures(40)}
    pipeline.fit(items, quiet=True, device="cpu").save_pretrained(tmp_path)
    (caption,) = answered(Trial([str(tmp_path)], device="cpu"), pictures(1)[0], "image")
    assert caption.nearest_of == "sentences that the decoder keeps"
    assert caption.nearest[0][0] == caption.outputs[0]
    assert caption.nearest[0][1] == pytest.approx(caption.cosines[0], abs=1e-3)  # it keeps half precision


COLORS = Path(__file__).parents[3] / "examples" / "c3-colors" / "src"


def test_a_modality_of_a_plugin_is_written_if_its_reader_takes_text(
    install_plugin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(COLORS)
    install_plugin("colors_here", (COLORS / "c3_colors/__init__.py").read_text())
    space = load_space("colors")
    items = {
        "text": ["red", "green", "blue", "yellow"] * 10,
        "color": ["#ff0000", "#008000", "#0000ff", "#ffff00"] * 10,
    }
    for decoder, where in (("clipre", "text"), ("swatch", "color")):
        pipeline = Pipeline(space, load_bridge("c3"), load_decoder(decoder, space=space))
        options = {"training": TRAINING} if decoder == "swatch" else {}
        pipeline.fit(items, quiet=True, device="cpu", **options).save_pretrained(tmp_path / where)
    trial = Trial([str(tmp_path / "text")], {"color": ["colors:20"]}, device="cpu")
    assert (trial.inputs, trial.written) == (("color",), {"color"})
    (named,) = answered(trial, "#ee1010", "color")
    assert named.outputs == ["red"]
    with pytest.raises(WrongCall, match="makes color, which the page cannot show"):
        Trial([str(tmp_path / "color")], device="cpu")


def test_four_bridges_of_one_pipeline(tmp_path: Path) -> None:
    captioner = load_pipeline(CAPTIONER, device="cpu")
    items = {"text": World().sentences(40, modality="image"), "image": pictures(40)}
    embedded = {modality: captioner.space.encode(sources, modality) for modality, sources in items.items()}
    for name in ("c1", "c2_1", "c2_2", "c3"):
        captioner.with_bridge(load_bridge(name).fit(embedded, target="text")).save_pretrained(tmp_path / name)
    trial = Trial([str(tmp_path / name) for name in ("c1", "c2_1", "c2_2", "c3")], device="cpu")
    found = answered(trial, pictures(1, "test")[0], "image")
    assert found[0].outputs == found[2].outputs  # noise is for training only
    assert found[1].outputs == found[3].outputs
    assert found[0].cosines != found[1].cosines

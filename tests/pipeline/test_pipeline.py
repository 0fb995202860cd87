"""Pipelines end to end on a small real space: fit, run, save, load, extend, refuse what is not theirs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from c3_playground.world import World
from c3core import (
    BadItem,
    C3Bridge,
    C3Error,
    Pairs,
    Pipeline,
    Store,
    Table,
    evaluate,
    load_bridge,
    load_decoder,
    load_pipeline,
    load_space,
)
from c3core.errors import WrongCall
from tests.helpers.spaces import DECODER, DIM, TRAINING, fitted, pictures, small_pipeline, write_space


@pytest.fixture(scope="module")
def space_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_space(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def pipeline(space_folder: Path) -> Pipeline:
    return fitted(space_folder)


def test_it_captions_in_order_and_reports_bad_items_in_place(pipeline: Pipeline) -> None:
    first, second = pictures(2, "test")
    outputs = pipeline.run([first, "missing.png", second], modality="image")
    assert isinstance(outputs[1], BadItem)
    assert outputs[0] == pipeline.run([first], modality="image")[0]
    assert outputs[2] == pipeline.run([second], modality="image")[0]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_what_is_embedded_already_is_not_embedded_again(
    pipeline: Pipeline, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [*pictures(3, "test"), "missing.png", *pictures(2, "train"), "lost.png"]
    expected = pipeline.run(sources, modality="image")
    encoder = pipeline.encoder("image")
    batches = list(encoder.encode_batches(sources))
    monkeypatch.setattr(type(encoder), "embed", None)  # calling it fails
    for given in (batches, iter(batches), batches[0]):
        found = list(pipeline.stream(given, modality="image", batch_size=batch_size))
        assert [position for position, _ in found] == list(range(7))
        assert [output for _, output in found] == expected
    assert pipeline.run([], modality="image") == []
    with pytest.raises(C3Error, match="these are image embeddings, not text"):
        pipeline.run(batches, modality="text")
    with pytest.raises(C3Error, match="another encoder"):
        pipeline.run([replace(batches[0], fingerprint="f" * 32)], modality="image")


def test_what_a_seed_draws_does_not_depend_on_how_inputs_were_embedded() -> None:
    painter = load_pipeline("playground/painter-stylegan")
    sentences = World().sentences(10)
    expected = np.stack(painter.run(sentences, modality="text", seed=3, batch_size=7, best_of=3))
    for size in (1, 3, 10):
        batches = painter.encoder("text").encode_batches(sentences, batch_size=size)
        found = painter.run(batches, modality="text", seed=3, batch_size=7, best_of=3)
        assert np.abs(np.stack(found).astype(int) - expected).max() <= 2  # rounding in a batch of another size


def test_a_modality_that_was_not_fitted_is_refused_and_can_be_added(space_folder: Path) -> None:
    pipeline = small_pipeline(load_space(str(space_folder)))
    pipeline.fit({"text": World().sentences(40)}, training=TRAINING, quiet=True)
    with pytest.raises(C3Error, match="extend"):
        pipeline.run(pictures(1), modality="image")
    before = pipeline.run(["a red circle"], modality="text")
    pipeline.extend({"image": pictures(10)})
    assert len(pipeline.run(pictures(2, "test"), modality="image")) == 2
    assert pipeline.run(["a red circle"], modality="text") == before


def test_embeddings_of_another_encoder_are_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    dim = pipeline.space.dim
    embeddings = torch.nn.functional.normalize(torch.randn(4, dim), dim=-1)
    foreign = Store.from_embeddings(
        tmp_path / "store", embeddings, space="other", modality="image", fingerprint="f" * 32
    )
    with pytest.raises(C3Error, match="another encoder"):
        pipeline.run(foreign)


def test_a_store_of_another_modality_is_refused_and_leaves_no_trace(pipeline: Pipeline, tmp_path: Path) -> None:
    encoder = pipeline.space.encoder("text")
    embeddings, known = encoder.encode(["a red circle"]), dict(pipeline.fingerprints)
    store = Store.from_embeddings(
        tmp_path, embeddings, space=encoder.space, modality="text", fingerprint=encoder.fingerprint
    )
    with pytest.raises(C3Error, match="holds text embeddings, not image"):
        pipeline.run(store, modality="image")
    with pytest.raises(C3Error):
        pipeline.run([], modality="smell")
    assert pipeline.fingerprints == known


def test_a_store_of_its_own_space_is_run_as_the_items_are(pipeline: Pipeline, tmp_path: Path) -> None:
    items = pictures(3, "test")
    encoder = pipeline.space.encoder("image")
    embeddings = encoder.encode(items)
    store = Store.from_embeddings(
        tmp_path / "store", embeddings, space=encoder.space, modality="image", fingerprint=encoder.fingerprint
    )
    assert pipeline.run(store) == pipeline.run(items, modality="image")


def test_a_pipeline_moves_its_decoder_and_its_encoders(space_folder: Path) -> None:
    pipeline = small_pipeline(load_space(space_folder, device="cpu"))
    assert (pipeline.device, pipeline.space.device) == (torch.device("cpu"), torch.device("cpu"))
    assert pipeline.to("meta") is pipeline
    assert {pipeline.device, pipeline.decoder.device, pipeline.encoder("text").device} == {torch.device("meta")}


def test_nan_embeddings_are_refused(pipeline: Pipeline) -> None:
    with pytest.raises(C3Error, match="NaN"):
        pipeline.condition(torch.full((1, pipeline.space.dim), float("nan")), "image")


def test_a_decoder_of_another_size_is_refused(space_folder: Path) -> None:
    with pytest.raises(C3Error, match="dimensions"):
        Pipeline(load_space(str(space_folder)), load_bridge("c3"), load_decoder("gpt2", condition_dim=5, model="fresh"))


class Twice(C3Bridge):
    """Conditions that hold each embedding twice."""

    def condition_dim(self, space_dim: int) -> int:
        return 2 * space_dim

    def condition(self, e: torch.Tensor, modality: str) -> torch.Tensor:
        return super().condition(e, modality).repeat(1, 2)

    def train_condition(
        self, e: torch.Tensor, modality: str, *, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        return super().train_condition(e, modality, generator=generator).repeat(1, 2)


def test_a_bridge_says_the_size_of_its_conditions(space_folder: Path) -> None:
    space = load_space(str(space_folder))
    with pytest.raises(WrongCall, match=f"condition_dim={2 * DIM}"):
        Pipeline(space, Twice(), load_decoder("gpt2", space=space, **DECODER))
    pipeline = Pipeline(space, Twice(), load_decoder("gpt2", condition_dim=2 * DIM, **DECODER))
    pipeline.fit({"text": World().sentences(40), "image": pictures(30)}, training=TRAINING, quiet=True)
    assert len(pipeline.run(pictures(2), modality="image")) == 2


def test_the_decoder_never_sees_the_other_modality(space_folder: Path) -> None:
    """Other pictures change the mean alone: the decoder's weights are the same with any of them, or with none."""
    weights = []
    for shown in (pictures(12), pictures(12, "validation")):
        pipeline = small_pipeline(load_space(str(space_folder)))
        pipeline.fit({"text": World().sentences(40), "image": shown}, training=TRAINING, quiet=True)
        weights.append({name: value.clone() for name, value in pipeline.decoder.state_dict().items()})
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_held_out_sentences_may_be_a_store(space_folder: Path, tmp_path: Path) -> None:
    sentences = World().sentences(12, "validation", "image")
    encoder = load_space(str(space_folder)).encoder("text")
    store = Store.from_embeddings(
        tmp_path / "store",
        encoder.encode(sentences),
        space=encoder.space,
        modality="text",
        fingerprint=encoder.fingerprint,
        sources=sentences,
    )
    figures = []
    for validation in (sentences, store):
        pipeline = small_pipeline(load_space(str(space_folder)))
        pipeline.fit({"text": World().sentences(40)}, validation=validation, training=TRAINING, quiet=True)
        figures.append(pipeline.trained_on[0]["validation_loss"])
    assert figures[0] == pytest.approx(figures[1], rel=1e-4)


def test_supervised_training_and_fine_tuning(space_folder: Path) -> None:
    items = World().items("image", "train", 12)
    pairs = Pairs([item.data for item in items], "image", [item.sentences[0] for item in items])
    clipcap = small_pipeline(load_space(str(space_folder)), "c1").fit(pairs=pairs, training=TRAINING, quiet=True)
    assert clipcap.trained_on[0]["supervised"] is True
    tuned = fitted(space_folder)
    state = {name: value.clone() for name, value in tuned.bridge.state().items()}
    tuned.fit(pairs=pairs, bridge="keep", training=TRAINING, quiet=True)
    assert [entry["supervised"] for entry in tuned.trained_on] == [False, True]
    assert all(torch.equal(state[name], value) for name, value in tuned.bridge.state().items())


def test_pairs_of_captions_of_one_item(space_folder: Path) -> None:
    items = World().items("image", "train", 20)
    pairs = Pairs([item.sentences[0] for item in items], "text", [item.sentences[1] for item in items])
    pipeline = small_pipeline(load_space(str(space_folder)))
    pipeline.fit({"image": pictures(10)}, pairs=pairs, training=TRAINING, quiet=True)
    assert len(pipeline.run(pictures(2, "test"), modality="image")) == 2


def test_who_stops_a_fit_is_told_that_nothing_is_kept_of_it_without_a_folder(
    space_folder: Path, tmp_path: Path
) -> None:
    def press(step: int) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    for folder, said in ((None, "Nothing is kept"), (tmp_path / "run", "stopped after step 1 .* continue from")):
        pipeline = small_pipeline(load_space(str(space_folder)))
        pipeline.decoder.after_step = press  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt, match=said):
            pipeline.fit({"text": ["a red circle"] * 40}, training=TRAINING, folder=folder, quiet=True)
    signal.signal(signal.SIGINT, before)


def test_an_error_that_names_a_temporary_folder_says_that_it_is_gone(space_folder: Path) -> None:
    with pytest.raises(C3Error, match="That folder was temporary and is gone. Name a folder to keep it"):
        small_pipeline(load_space(str(space_folder))).fit({"text": ["a ring"], "image": ["no.jpg", "none.jpg"]})


def test_a_name_in_place_of_a_part_says_how_to_load_it(pipeline: Pipeline) -> None:
    for parts, says in (
        (
            ("playground", pipeline.bridge, pipeline.decoder),
            "the space is a str, not a Space: see c3core.load_space",
        ),
        ((pipeline.space, "c3", pipeline.decoder), "the bridge is a str, not a Bridge"),
        ((pipeline.space, pipeline.bridge, "gpt2"), "the decoder is a str, not a Decoder"),
    ):
        with pytest.raises(C3Error, match=says):
            Pipeline(*parts)  # type: ignore[arg-type]
    with pytest.raises(C3Error, match="the table must be a Table, not str. Load it: c3core.load_table"):
        evaluate(pipeline, "table.csv")  # type: ignore[arg-type]
    with pytest.raises(WrongCall, match="the pipeline is a str, not a Pipeline: see c3core.load_pipeline"):
        evaluate("playground/captioner", Table({}))  # type: ignore[arg-type]
    with pytest.raises(WrongCall, match="the space is a str, not a Space"):
        load_pipeline("playground/captioner", space="playground")  # type: ignore[arg-type]


def test_wrong_calls_say_what_to_do(pipeline: Pipeline) -> None:
    with pytest.raises(C3Error, match="given by modality"):
        pipeline.fit(torch.zeros(3, 2))  # type: ignore[arg-type]
    with pytest.raises(C3Error, match="nothing to fit on"):
        pipeline.fit({})
    with pytest.raises(C3Error, match="as many targets as sources"):
        Pairs(["a"], "text", [])
    with pytest.raises(C3Error, match='"fit" or "keep"'):
        pipeline.fit({"text": ["a"]}, bridge="refit")  # type: ignore[arg-type]
    with pytest.raises(C3Error, match="max_new_tokens"):
        pipeline.run(pictures(1), modality="image", max_new_token=3)
    with pytest.raises(C3Error, match="fields by name, got str"):
        pipeline.run(pictures(1), modality="image", generation="max_new_tokens=3")  # type: ignore[arg-type]
    for call in (pipeline.fit, pipeline.extend):
        with pytest.raises(C3Error, match="by modality, {modality: sources}, not as list"):
            call(["a"])


def test_what_was_not_fitted_is_not_saved(space_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="pipeline is not fitted"):
        small_pipeline(load_space(str(space_folder))).save_pretrained(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_an_item_that_the_encoder_refuses_is_bad_in_its_place(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, items = pipeline.encoder("image"), pictures(3, "test")
    embed, good = encoder.embed, pipeline.run(items, modality="image")
    monkeypatch.setattr(
        encoder, "embed", lambda batch: embed(batch) * torch.tensor([[1.0], [float("nan")], [1.0]])[: len(batch)]
    )
    first, bad, last = pipeline.run(items, modality="image")
    assert (first, last) == (good[0], good[2])
    assert isinstance(bad, BadItem)
    assert "not finite" in bad.why


def test_its_repr_tells_its_parts_and_what_it_takes(pipeline: Pipeline) -> None:
    spec = pipeline.space.spec
    noise = f"{pipeline.bridge.corrupt.std:.4g}"  # type: ignore[attr-defined]
    assert repr(pipeline) == f"Pipeline({spec} → c3(noise_std={noise}) → gpt2, takes text, image)"
    assert repr(pipeline.with_bridge(load_bridge("c2_1"))) == f"Pipeline({spec} → c2_1 → gpt2, not fitted)"


def test_a_fit_with_another_bridge_leaves_the_decoder_of_the_first_as_it_is(pipeline: Pipeline) -> None:
    made = pipeline.run(pictures(4, "test"), modality="image")
    other = pipeline.with_bridge(load_bridge("c2_1"))
    with pytest.raises(WrongCall, match=r"bridge 'c2_1' is not fitted. Call bridge.fit\({modality: space.encode"):
        other.run(pictures(4, "test"), modality="image")
    other.fit({"text": World().sentences(60, modality="image"), "image": pictures(20)}, training=TRAINING, quiet=True)
    assert other.decoder is not pipeline.decoder
    trained = other.decoder.state_dict().items()
    assert any((value != pipeline.decoder.state_dict()[name]).any() for name, value in trained)
    assert pipeline.run(pictures(4, "test"), modality="image") == made
    assert len(other.run(pictures(4, "test"), modality="image")) == 4


def test_another_bridge_keeps_what_is_known_of_the_parts(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    loaded = load_pipeline(tmp_path)
    bridge = load_bridge("c1")
    other = loaded.with_bridge(bridge)
    assert (other.space, other.bridge, other.decoder) == (loaded.space, bridge, loaded.decoder)
    assert (other.trained_on, other.loaded) == (loaded.trained_on, loaded.loaded)
    assert (other.fingerprints, other.licenses) == (loaded.fingerprints, loaded.licenses)
    assert loaded.fingerprints
    assert loaded.licenses
    assert loaded.loaded
    other.trained_on.append({})
    other.fingerprints.clear()
    other.licenses.clear()
    other.loaded.clear()
    assert load_pipeline(tmp_path).trained_on == loaded.trained_on
    assert loaded.fingerprints
    assert loaded.licenses
    assert loaded.loaded


def test_an_embedding_of_another_encoder_is_named_by_the_beginning_of_its_fingerprint(pipeline: Pipeline) -> None:
    with pytest.raises(C3Error) as refused:
        pipeline.encoders.check("image", "0123456789")
    known = pipeline.fingerprints["image"][:8]
    assert "another encoder (fingerprint 01234567…)" in str(refused.value)
    assert f"than the pipeline's ({known}…)" in str(refused.value)


def fit_until_killed(space: str, folder: str, kill_at: int, events: Path) -> None:
    """Fit and save in ``folder``; be killed at the ``kill_at``-th file there that is opened, renamed or removed."""
    count = 0

    def watch(event: str, args: tuple[object, ...]) -> None:
        nonlocal count
        if event in {"open", "os.rename", "os.remove", "os.mkdir"} and str(args[0]).startswith(folder):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    torch.set_num_threads(1)
    pipeline = small_pipeline(load_space(space))
    items = {"text": World().sentences(60, modality="image"), "image": pictures(20)}
    pipeline.fit(items, training={**TRAINING, "steps": 40}, folder=folder, quiet=True)
    pipeline.save_pretrained(Path(folder) / "saved")
    events.write_text(str(count))


def test_a_fit_killed_at_any_time_ends_with_the_same_weights(space_folder: Path, tmp_path: Path) -> None:
    context, random = get_context("forkserver"), np.random.default_rng()

    def fit(name: str, kill_at: int = 0) -> int | None:
        arguments = (str(space_folder), str(tmp_path / name), kill_at, tmp_path / "events")
        process = context.Process(target=fit_until_killed, args=arguments)
        process.start()
        process.join()
        return process.exitcode

    assert fit("whole") == 0
    events = int((tmp_path / "events").read_text())
    assert fit("killed", int(random.integers(1, events))) == -signal.SIGKILL
    for _ in range(3):
        fit("killed", int(random.integers(1, events)))  # what is done is not done again: some of these end unharmed
    assert fit("killed") == 0
    name = "saved/decoder/model/model.safetensors"
    whole, killed = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
    assert all(torch.equal(whole[key], killed[key]) for key in whole)
    shutil.rmtree(tmp_path)

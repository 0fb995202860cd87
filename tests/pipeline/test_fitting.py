"""Fitting decoders of other kinds than a captioner: of pictures, pretrained, of frame "native", without a loss to validate by."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from c3_playground.world import World
from c3core import C3Error, Pairs, Pipeline, Space, load_bridge, load_decoder, load_space
from c3core.bridges.noise import OF_ALIGNMENT, OF_SENTENCES, alignment_noise
from c3core.contracts import Objective
from c3core.errors import WrongCall
from c3core.experiments.recipe import PairsRecipe
from c3core.pipeline.dataset import TargetDataset, checksum_of
from c3core.statistics.familiarity import Familiarity
from c3core.store.store import Store
from tests.helpers.labelled import Labelled
from tests.helpers.linear_painter import LinearPainter
from tests.helpers.spaces import DECODER, TRAINING, pictures, small_pipeline, write_space


class Adversary(LinearPainter):
    """A loss that says nothing of quality, and one on the embeddings of what it paints."""

    name = "adversary"

    @property
    def validates(self) -> bool:
        return False

    def objectives(self) -> list[Objective]:
        own = [*self.layer.parameters()]
        return [Objective("pixels", own, self.loss), Objective("meaning", own, self.meaning, every=2)]

    def meaning(self, conditions: Tensor, batch: Tensor) -> Tensor:
        assert self.output_encoder is not None
        return (self.output_encoder.with_gradient(self.paint(conditions)) - conditions).square().mean()


class Pretrained(LinearPainter):
    """Nothing to train; takes embeddings as the picture encoder gives them."""

    name = "pretrained"
    frame: ClassVar[Literal["bridge", "native"]] = "native"
    trainable = False


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return load_space(str(write_space(tmp_path_factory.mktemp("space"))))


def items() -> dict[str, list[Any]]:
    return {"text": World().sentences(40, modality="image"), "image": pictures(40)}


def test_a_run_is_continued_with_the_same_settings_and_targets_alone(space: Space, tmp_path: Path) -> None:
    texts = World().sentences(30, modality="image")

    def fit(targets: list[str], **more: Any) -> None:
        pairs = Pairs(source=pictures(30), modality="image", target=targets)
        pipeline = Pipeline(space, load_bridge("c1"), load_decoder("gpt2", space=space, **DECODER, **more))
        pipeline.fit(pairs=pairs, training=TRAINING, folder=tmp_path, quiet=True)

    fit(texts)
    fit(texts)
    assert checksum_of(Pairs([1], "image", ["a"])) != checksum_of(Pairs([1], "image", ["a"], item=["photo"]))
    with pytest.raises(C3Error, match="another recipe"):
        fit([*texts[1:], texts[0]])
    with pytest.raises(C3Error, match="another recipe"):
        fit(texts, max_tokens=5)


def test_auto_noise_is_what_the_space_says_else_what_pairs_say_else_what_sentences_of_one_item_say(
    space: Space,
) -> None:
    shown = World().items("image", "train", 40)
    texts = [sentence for item in shown for sentence in item.sentences[:2]]
    names = [item.id for item in shown for _ in range(2)]
    given = {"text": texts, "image": [item.data for item in shown]}
    held_out = Pairs([item.data for item in shown], "image", [item.sentences[0] for item in shown])

    def chosen(bridge: str = "c3", own: Space = space, **more: Any) -> dict[str, Any]:
        pipeline = Pipeline(own, load_bridge(bridge), load_decoder("gpt2", space=space, **DECODER))
        pipeline.fit(more.pop("items", given), training={**TRAINING, "steps": 1}, quiet=True, **more)
        noise = pipeline.trained_on[-1]
        if bridge != "c1":
            assert pipeline.bridge.config()["corrupt"]["std"] == noise["noise_std"]
        return noise

    image, text = (space.encode(of, modality) for modality, of in (("image", held_out.source), ("text", texts)))
    measured = alignment_noise(image, text[::2])
    assert chosen(validation=held_out, groups=names)["noise_std"] == pytest.approx(OF_ALIGNMENT * measured, rel=1e-5)
    assert chosen(items={}, pairs=held_out)["noise_std"] == pytest.approx(OF_ALIGNMENT * measured, rel=1e-5)
    found = chosen("c2_2", groups=names)
    within = OF_ALIGNMENT * OF_SENTENCES * ((text[::2] - text[1::2]).square().mean().sqrt() / 2**0.5).item()
    assert found["noise_std"] == pytest.approx(within, rel=1e-4)
    assert "40 items" in found["noise_from"]
    with pytest.warns(UserWarning, match=r"noise_std is 0\.1265"):
        assert chosen()["noise_std"] == pytest.approx(0.016**0.5)
    encoders = {modality: space.encoder(modality) for modality in space.modalities}
    telling = Space(space.spec, space.dim, encoders, noise_std={("image", "text"): 0.02})
    assert chosen(own=telling, validation=held_out)["noise_std"] == pytest.approx(OF_ALIGNMENT * 0.02)
    assert "noise_std" not in chosen("c1", groups=names)
    with pytest.raises(WrongCall, match="groups names the items of 79 of text, but there are 80"):
        chosen(groups=names[1:])


def test_items_that_are_unlike_what_the_space_knows_are_warned_of(space: Space) -> None:
    encoders = {modality: space.encoder(modality) for modality in space.modalities}
    upside_down = -space.encode(pictures(60), "image")
    knowing = Space(space.spec, space.dim, encoders, familiar={"image": Familiarity.of(upside_down)})
    with pytest.warns(UserWarning, match="the 40 image items are unlike what space"):
        Pipeline(knowing, load_bridge("c1"), LinearPainter()).fit(items(), training=TRAINING, quiet=True)


def test_pairs_may_be_trained_on_without_noise(space: Space) -> None:
    """With noise off, C³ trains as C²₁ does."""
    texts = World().sentences(40, modality="image")

    def weights(bridge: str, noise: bool) -> list[Tensor]:
        torch.manual_seed(0)
        pipeline = Pipeline(space, load_bridge(bridge), load_decoder("gpt2", space=space, **DECODER))
        pairs = Pairs(pictures(40), "image", texts, noise=noise)
        pipeline.fit(items(), pairs=pairs, training=TRAINING, quiet=True)
        assert pipeline.trained_on[0]["noise"] is noise
        return [parameter.detach() for parameter in pipeline.decoder.parameters()]

    quiet, without, noisy = weights("c3", False), weights("c2_1", True), weights("c3", True)
    assert all(map(torch.equal, quiet, without))
    assert not all(map(torch.equal, quiet, noisy))


def test_a_run_is_not_continued_with_another_store(space: Space, tmp_path: Path) -> None:
    stores = []
    for name, texts in (("a", World().sentences(30, modality="image")), ("b", World().sentences(30, modality="audio"))):
        embeddings, encoder = space.encode(texts, "text"), space.encoder("text")
        about = {"space": encoder.space, "modality": "text", "fingerprint": encoder.fingerprint}
        stores.append(Store.from_embeddings(tmp_path / name, embeddings, sources=texts, **about))

    def fit(store: Store) -> Pipeline:
        pipeline = Pipeline(space, load_bridge("c1"), load_decoder("gpt2", space=space, **DECODER))
        return pipeline.fit({"text": store}, training=TRAINING, folder=tmp_path / "run", quiet=True)

    fit(stores[0])
    assert fit(stores[0]).trained_on[0]["statistics_of"] == {"text": 30}
    with pytest.raises(C3Error, match="another recipe"):
        fit(stores[1])


def test_captions_of_one_photo_are_held_out_together_whichever_is_the_source(tmp_path: Path) -> None:
    texts = World().sentences(60, modality="image")
    (tmp_path / "t.csv").write_text(
        "image,text\n" + "\n".join(f'{k // 3}.png,"{text}"' for k, text in enumerate(texts))
    )
    pairs = PairsRecipe(table="t.csv", source="text", target="text", item="image").load(tmp_path)
    embeddings = torch.nn.functional.normalize(torch.randn(len(pairs.source), 4), dim=-1)
    store = Store.from_embeddings(tmp_path / "store", embeddings, space="s", modality="text", fingerprint="f")
    rows = TargetDataset(store, pairs, 0.3)
    assert pairs.item is not None
    photos: dict[bool, set[str]] = {True: set(), False: set()}
    for k, photo in enumerate(pairs.item):
        photos[rows.held_out(str(k))].add(photo)
    assert photos[True]
    assert photos[False]
    assert not photos[True] & photos[False]


def test_a_store_of_another_encoder_is_refused_before_it_is_trained_on(space: Space, tmp_path: Path) -> None:
    about = {"space": "s", "modality": "text", "fingerprint": "f" * 32}
    store = Store.from_embeddings(tmp_path / "store", torch.eye(space.dim), sources=["a star"] * space.dim, **about)
    pipeline = small_pipeline(space)
    with pytest.raises(C3Error, match="is of another text encoder"):
        pipeline.fit({"text": store, "image": pictures(4)}, training=TRAINING, quiet=True)
    assert not pipeline.trained_on
    assert not pipeline.fingerprints


def test_what_cannot_be_fitted_is_refused_before_anything_is_embedded(space: Space, tmp_path: Path) -> None:
    about = {"space": "s", "modality": "text", "fingerprint": "f" * 32}
    store = Store.from_embeddings(tmp_path / "store", torch.eye(space.dim), sources=["a star"] * space.dim, **about)
    texts, wrong = ["a star"] * 4, {"quiet": True, "folder": tmp_path / "run"}
    pipeline = small_pipeline(space)
    for items, message in (
        ({"image": pictures(4)}, "the decoder learns from text"),
        ({"text": texts, "image": store}, "holds text embeddings, not image"),
        ({"image": pictures(4), "text": store}, "is of another text encoder"),
        ({"text": texts, "image": []}, "no image items"),
        ({"text": texts, "image": "a.png"}, "must be a list"),
        ({"text": texts, "smell": ["x"]}, "smell"),
    ):
        with pytest.raises(C3Error, match=message):
            pipeline.fit(items, training=TRAINING, **wrong)
    with pytest.raises(C3Error, match="is of another text encoder"):
        pipeline.fit({"text": texts}, validation=store, training=TRAINING, **wrong)
    with pytest.raises(C3Error, match="no image items"):
        pipeline.fit({"text": texts}, pairs=Pairs([], "image", []), training=TRAINING, **wrong)
    pipeline.fit({"text": texts}, training=TRAINING, quiet=True)
    with pytest.raises(C3Error, match="holds text embeddings, not image"):
        pipeline.extend({"image": store}, **wrong)
    assert not (tmp_path / "run" / "embeddings").exists()


def test_what_would_do_nothing_or_validate_another_task_is_refused(space: Space) -> None:
    pipeline = small_pipeline(space).fit(items(), training=TRAINING, quiet=True)
    with pytest.raises(C3Error, match="a kept bridge does nothing with image"):
        pipeline.fit(items(), bridge="keep", training=TRAINING, quiet=True)
    texts = World().sentences(20, modality="image")
    pairs = Pairs(source=pictures(20), modality="image", target=texts)
    with pytest.raises(C3Error, match="validated on pairs"):
        pipeline.fit(items(), pairs=pairs, validation=texts, training=TRAINING, quiet=True)


def test_held_out_targets_that_cannot_be_read_are_left_out(space: Space) -> None:
    texts = World().sentences(130, modality="image")
    pairs = {
        name: Pairs(source=pictures(len(some)), modality="image", target=some)
        for name, some in (
            ("train", texts[:20]),
            ("read", texts[:129]),
            ("unread", [*texts[:128], " "]),
            ("none", [" "]),
        )
    }

    def loss(validation: Pairs) -> Any:
        pipeline = Pipeline(space, load_bridge("c1"), load_decoder("gpt2", space=space, **DECODER))
        pipeline.fit(pairs=pairs["train"], validation=validation, training=TRAINING, quiet=True)
        return pipeline.trained_on[0]["validation_loss"]

    whole = Pairs(source=pairs["read"].source[:128], modality="image", target=texts[:128])
    assert loss(pairs["unread"]) == loss(whole) != loss(pairs["read"])
    with pytest.raises(C3Error, match="none of the 1 held-out targets could be read"):
        loss(pairs["none"])


def test_a_training_option_as_a_keyword_says_what_to_write(space: Space) -> None:
    steps: dict[str, Any] = {"steps": 20}
    with pytest.raises(WrongCall, match=r"`fit` takes training options together. Write training=\{'steps': 20\}"):
        small_pipeline(space).fit(items(), **steps)


def test_one_string_is_no_list_of_items(space: Space) -> None:
    with pytest.raises(C3Error, match=r"Write \[item\]"):
        small_pipeline(space).fit({"text": "a red circle"}, quiet=True)


def test_items_that_cannot_be_read_are_named(space: Space) -> None:
    with pytest.warns(UserWarning, match=r"1 image item\(s\) could not be read .* missing.png"):
        small_pipeline(space).fit({**items(), "image": [*pictures(5), "missing.png"]}, training=TRAINING, quiet=True)


def test_modalities_that_the_pipeline_will_not_take_are_warned_of_if_there_are_any(space: Space) -> None:
    texts = {"text": items()["text"]}
    with pytest.warns(UserWarning, match="the pipeline will not take image: fit got no items of that") as warned:
        pipeline = small_pipeline(space).fit(texts, training=TRAINING, quiet=True)
    assert len([one for one in warned if "will not take" in str(one.message)]) == 1
    assert pipeline.modalities == ("text",)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the pipeline will not take")
        pipeline.extend({"image": pictures(5)})
        assert pipeline.modalities == ("text", "image")
        small_pipeline(space, "decap").fit(texts, training=TRAINING, quiet=True)  # takes what it was not fitted on
        Pipeline(space, load_bridge("c3"), LinearPainter()).fit(items(), training=TRAINING, quiet=True)
        pipeline.fit(texts, bridge="keep", training=TRAINING, quiet=True)


def test_a_mean_of_few_items_is_warned_of_where_the_bridge_subtracts_it(space: Space) -> None:
    few = {**items(), "image": pictures(2)}
    with pytest.warns(UserWarning, match="mean of only 2 image item"):
        small_pipeline(space).fit(few, training=TRAINING, quiet=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Pipeline(space, load_bridge("c1"), LinearPainter()).fit(few, training=TRAINING, quiet=True)
        small_pipeline(space).fit(items(), training=TRAINING, quiet=True)
    assert not [one for one in said if "mean of" in str(one.message)]


def test_a_painter_learns_from_pictures_and_draws_from_text(space: Space) -> None:
    pipeline = Pipeline(space, load_bridge("c3"), LinearPainter())
    pipeline.fit(items(), training={**TRAINING, "steps": 60, "learning_rate": 0.05}, quiet=True)
    assert pipeline.trained_on[0]["modality"] == "image"
    painted = torch.stack(pipeline.run(pictures(20), modality="image"))
    truth = torch.stack([pipeline.decoder.reader()(picture) for picture in pictures(20)])
    assert (painted - truth).square().mean() < (0.5 - truth).square().mean()
    assert pipeline.run(["a red circle"], modality="text")[0].shape == (3, 32, 32)


def test_a_decoder_may_look_at_its_own_outputs_with_gradient(space: Space) -> None:
    pipeline = Pipeline(space, load_bridge("c3"), LinearPainter())
    pipeline.fit(items(), training=TRAINING, quiet=True)
    raw = torch.stack([pipeline.decoder.reader()(picture) for picture in pictures(5)]).requires_grad_()
    encoder = pipeline.decoder.output_encoder
    assert encoder is not None
    seen = encoder.with_gradient(raw)
    encoded = pipeline.condition(space.encode(pictures(5), "image"), "image")
    torch.testing.assert_close(seen, encoded, atol=1e-5, rtol=1e-4)
    of_outputs = encoder.conditions([*pictures(5), "missing.png"])
    torch.testing.assert_close(of_outputs[:5], encoded, atol=1e-5, rtol=1e-4)
    assert of_outputs[5].isnan().all()
    seen[:, 0].sum().backward()
    assert raw.grad is not None
    assert raw.grad.abs().sum() > 0


def test_an_encoder_without_gradient_refuses_to_be_looked_through(space: Space) -> None:
    with pytest.raises(C3Error, match="gives no gradient"):
        space.encoder("text").embed_raw(torch.zeros(1, 3, 32, 32))


class Recorder(LinearPainter):
    """Records the conditions and pictures that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        self.seen.append((conditions, batch))
        return super().loss(conditions, batch)


@pytest.mark.parametrize(("bridge", "noise_std"), [("c3", 0.1), ("c2_1", 0.0)])
def test_each_step_trains_on_conditions_with_new_noise(space: Space, bridge: str, noise_std: float) -> None:
    recorder, options = Recorder(), {"noise_std": noise_std} if noise_std else {}
    pipeline = Pipeline(space, load_bridge(bridge, rescale="none", **options), recorder)
    pipeline.fit({"image": pictures(40)}, training={"steps": 4, "batch_size": 40, "validation_split": 0}, quiet=True)
    read = torch.stack([recorder.reader()(picture) for picture in pictures(40)])
    clean = pipeline.condition(space.encode(pictures(40), "image"), "image")
    # The rows of a batch are shuffled: each is found again by its picture.
    noise = [
        conditions - clean[(batch.unsqueeze(1) - read).flatten(2).abs().sum(-1).argmin(1)]
        for conditions, batch in recorder.seen
    ]
    assert len(noise) == 4
    for one in noise:
        assert one.std().item() == pytest.approx(noise_std, rel=0.1, abs=1e-5)
    if noise_std:
        overlap = torch.corrcoef(torch.stack([one.flatten() for one in noise])) - torch.eye(4)
        assert overlap.abs().max() < 0.2  # 640 draws a step: independent ones have a standard deviation of 0.04


@pytest.mark.parametrize("as_given", ["labelled", "series", "array"])
@pytest.mark.parametrize("role", ["items", "pairs", "validation"])
def test_items_are_taken_by_position(space: Space, as_given: str, role: str) -> None:
    values = pictures(20)
    given: Any = np.stack(values) if as_given == "array" else Labelled(values)
    if as_given == "series":
        given = pytest.importorskip("pandas").Series(values, index=range(19, -1, -1))
    recorder = Recorder()
    read = torch.stack([recorder.reader()(picture) for picture in values])
    embeddings = space.encode(values, "image")
    held_out: Any = given if role == "validation" else None
    pairs = Pairs(source=given, modality="image", target=given) if role == "pairs" else None
    training = {"steps": 2, "batch_size": 20} | ({"eval_steps": 1} if role == "validation" else {"validation_split": 0})
    Pipeline(space, load_bridge("c1"), recorder).fit(
        {"image": given}, pairs=pairs, validation=held_out, training=training, quiet=True
    )
    for conditions, batch in recorder.seen:
        own = embeddings[(batch.unsqueeze(1) - read).flatten(2).abs().sum(-1).argmin(1)]
        assert torch.cosine_similarity(conditions, own).min() > 0.999


def test_losses_of_several_objectives_are_written_down_and_nothing_is_held_out(space: Space, tmp_path: Path) -> None:
    pipeline = Pipeline(space, load_bridge("c3"), Adversary())
    pipeline.fit(items(), training=TRAINING, folder=tmp_path, quiet=True)
    assert pipeline.trained_on[0]["rows"] == 40
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [sorted(line["losses"]) for line in lines] == [["meaning", "pixels"]] * 3
    assert all(line["loss"] == line["losses"]["pixels"] for line in lines)
    assert not (tmp_path / "best.safetensors").exists()
    with pytest.raises(C3Error, match="no loss to validate by"):
        pipeline.fit(items(), validation=pictures(3), training=TRAINING, quiet=True)


def test_a_pretrained_decoder_of_frame_native_gets_embeddings_as_the_encoder_gives_them(space: Space) -> None:
    bridge = load_bridge("c3")
    pipeline = Pipeline(space, bridge, Pretrained())
    pipeline.fit(items(), quiet=True)
    assert pipeline.trained_on[0]["rows"] == 0
    assert pipeline.bridge is bridge  # the frame is the decoder's: it acts when a condition is made
    assert bridge.config()["collapse"] == {"kind": "mean"}
    encoder = space.encoder("image")
    with torch.no_grad():
        raw = encoder.embed([encoder.reader()(picture) for picture in items()["image"]])
    sentences = space.encode(items()["text"], "text")
    conditions = pipeline.condition(sentences, "text")
    assert torch.allclose(conditions.norm(dim=-1), raw.norm(dim=-1).mean().expand(40), rtol=1e-4)
    images = space.encode(items()["image"], "image")
    by_hand = sentences - sentences.mean(0) + images.mean(0)
    by_hand = by_hand / by_hand.norm(dim=-1, keepdim=True) * raw.norm(dim=-1).mean()
    torch.testing.assert_close(conditions, by_hand, atol=1e-4, rtol=1e-4)

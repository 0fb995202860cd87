"""What a fit computes and writes down: the loss on held-out items, its recipe, stores, counts, warnings, the seed."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from c3_playground.world import World
from c3core import C3Error, Pairs, Pipeline, Space, Store, WrongCall, load_bridge, load_space
from c3core.pipeline import dataset
from c3core.pipeline.dataset import checksum_of
from tests.helpers.linear_painter import LinearPainter
from tests.helpers.spaces import TRAINING, pictures, small_pipeline, write_space

pytestmark = pytest.mark.filterwarnings("ignore:the pipeline will not take", "ignore:the bridge takes the mean of")
SHORT = {"steps": 2, "batch_size": 20, "eval_steps": 1, "warmup_steps": 0}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return load_space(str(write_space(tmp_path_factory.mktemp("space"))))


class Validated(LinearPainter):
    """Keeps the conditions that its loss is validated on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            self.seen.append(conditions)
        return super().loss(conditions, batch)


def painter(space: Space, bridge: str = "c1", decoder: LinearPainter | None = None) -> Pipeline:
    return Pipeline(space, load_bridge(bridge), decoder or LinearPainter())


# ---- validation


def test_the_validation_loss_is_the_mean_over_rows_and_not_over_batches(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "VALIDATION_BATCH", 4)
    held_out = pictures(6, "validation")  # batches of 4 and 2
    decoder = Validated()
    pipeline = painter(space, decoder=decoder)
    pipeline.fit({"image": pictures(20)}, validation=held_out, training=SHORT, quiet=True)
    assert [len(conditions) for conditions in decoder.seen] == [4, 2] * 2
    truth = torch.stack([decoder.reader()(picture) for picture in held_out])
    expected = decoder.loss(pipeline.condition(space.encode(held_out, "image"), "image"), truth).item()
    assert pipeline.trained_on[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_each_validation_has_the_same_noise_and_each_batch_its_own(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "VALIDATION_BATCH", 4)
    draws = []
    for seed in (0, 0, 1):
        decoder = Validated()
        pipeline = painter(space, "c3", decoder)
        training = {**SHORT, "seed": seed}
        pipeline.fit({"image": pictures(20)}, validation=pictures(1) * 8, training=training, quiet=True)
        first, second, *again = decoder.seen
        assert all(map(torch.equal, (first, second), again))
        assert not torch.equal(first, second)
        draws.append(first)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


# ---- what is written down


def test_run_json_holds_all_that_a_training_depends_on(space: Space, tmp_path: Path) -> None:
    texts = World().sentences(30, modality="image")
    pairs, held_out = Pairs(pictures(20), "image", texts[:20]), Pairs(pictures(10), "image", texts[20:])
    pipeline = small_pipeline(space)
    given = {"text": texts[:15], "image": pictures(12)}
    pipeline.fit(given, pairs=pairs, validation=held_out, training=TRAINING, folder=tmp_path, quiet=True)
    run = json.loads((tmp_path / "run.json").read_text())
    recipe, folder = run["recipe"], tmp_path / "embeddings"
    assert (run["seed"], run["precision"]) == (0, "float32")
    assert {
        name: recipe[name] for name in ("space", "bridge", "decoder", "trained_on", "start", "data", "targets")
    } == {
        "space": space.spec,
        "bridge": pipeline.bridge.config(),
        "decoder": json.loads(json.dumps({"name": "gpt2", **pipeline.decoder.settings.model_dump()})),
        "trained_on": {"modality": "image", "rows": 20, "supervised": True, "noise": True},
        "start": {},
        "data": {name: Store.open(folder / name).checksum for name in ("text", "image", "pairs", "validation")},
        "targets": [checksum_of(pairs), checksum_of(held_out)],
    }
    assert [len(Store.open(folder / name)) for name in recipe["data"]] == [15, 12, 20, 10]
    assert pipeline.trained_on == [
        {
            **recipe["trained_on"],
            "steps": 6,
            "best_step": pipeline.trained_on[0]["best_step"],
            "validation_loss": pipeline.trained_on[0]["validation_loss"],
            "statistics_of": {"text": 15, "image": 12},
            "seed": 0,
            "noise_std": pipeline.bridge.config()["corrupt"]["std"],
            "noise_from": "20 pairs of image and text",
        }
    ]
    assert pipeline.trained_on[0]["best_step"] in (3, 6)


def test_a_loaded_pipeline_starts_from_the_files_that_it_was_loaded_from(space: Space, tmp_path: Path) -> None:
    pipeline = small_pipeline(space).fit({"text": World().sentences(20)}, training=TRAINING, quiet=True)
    pipeline.save_pretrained(tmp_path / "saved")
    loaded = Pipeline.from_pretrained(tmp_path / "saved")
    loaded.fit({"text": World().sentences(20)}, bridge="keep", training=TRAINING, folder=tmp_path / "run", quiet=True)
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]
    files = json.loads((tmp_path / "saved" / "pipeline.json").read_text())["files"]
    assert recipe["start"] == loaded.loaded == files
    assert "bridge.safetensors" in files


def test_a_fit_that_trains_nothing_says_what_it_saw(space: Space) -> None:
    class Pretrained(LinearPainter):
        trainable = False

    nothing = {"modality": None, "rows": 0, "supervised": False, "seed": 0}
    pipeline = painter(space, "c3", Pretrained())
    pipeline.fit({"image": pictures(7), "text": ["a star"] * 3}, quiet=True)
    assert pipeline.trained_on == [nothing | {"statistics_of": {"image": 7, "text": 3}}]
    pipeline = painter(space, "c3", Pretrained())
    pipeline.fit({"image": pictures(7)}, training={"seed": 5}, quiet=True).extend({"text": ["a star"] * 4})
    assert [entry["statistics_of"] for entry in pipeline.trained_on] == [{"image": 7}, {"text": 4}]
    assert [entry["seed"] for entry in pipeline.trained_on] == [5, 0]


class Keeper(LinearPainter):
    """Keeps what it is given instead of learning."""

    trainable = False
    memorizes = True

    def _memorize(self, rows: Iterable[tuple[Tensor, Sequence[Any]]]) -> None:
        self.kept = [(conditions, list(targets)) for conditions, targets in rows]
        self.drawn = torch.rand(1)


def test_what_is_memorized_is_written_down(space: Space) -> None:
    shown, texts = pictures(9), World().sentences(9, modality="image")
    about = {"modality": "image", "rows": 10, "supervised": False, "seed": 4}
    keeper = Keeper()
    pipeline = painter(space, "c3", keeper)
    given = {"image": [*shown, "missing.png"], "text": texts[:5]}
    with pytest.warns(UserWarning, match="could not be read"):
        pipeline.fit(given, training={"seed": 4}, quiet=True)
    assert pipeline.trained_on == [about | {"rows": 9, "statistics_of": {"image": 9, "text": 5}}]
    ((conditions, targets),) = keeper.kept
    torch.testing.assert_close(conditions, pipeline.condition(space.encode(shown, "image"), "image"))  # without noise
    read = keeper.reader()
    torch.testing.assert_close(torch.stack(targets), torch.stack([read(picture) for picture in shown]))
    assert torch.equal(keeper.drawn, torch.rand(1, generator=torch.Generator().manual_seed(4)))

    keeper = Keeper()
    pipeline = painter(space, "c3", keeper)
    pipeline.fit({"image": shown[:4]}, pairs=Pairs(texts, "text", [*shown[:8], "missing.png"]), quiet=True)
    about = {"modality": "text", "rows": 9, "supervised": True, "seed": 0}
    assert pipeline.trained_on == [about | {"statistics_of": {"image": 4}}]
    ((conditions, targets),) = keeper.kept
    assert len(targets) == 8
    torch.testing.assert_close(conditions, pipeline.condition(space.encode(texts[:8], "text"), "text"))


def test_embeddings_are_put_where_several_fits_can_share_them(space: Space, tmp_path: Path) -> None:
    shared, given = tmp_path / "shared", {"image": pictures(20), "text": ["a star"] * 30}
    for run in ("one", "two"):
        painter(space, "c3").fit(
            given, validation=pictures(5), training=SHORT, folder=tmp_path / run, embeddings=shared, quiet=True
        )
        assert sorted(path.name for path in shared.iterdir()) == ["image", "text", "validation"]
        assert not (tmp_path / run / "embeddings").exists()
        if run == "one":
            written = (shared / "text" / "store.json").stat().st_mtime_ns
    assert (shared / "text" / "store.json").stat().st_mtime_ns == written
    with pytest.raises(C3Error):  # the store is of other items
        painter(space).fit({"image": pictures(21)}, training=SHORT, embeddings=shared, quiet=True)


# ---- the seed and the device


def test_the_seed_decides_the_weights_whatever_was_drawn_before(space: Space) -> None:
    def weights(seed: int, before: int) -> Tensor:
        torch.manual_seed(before)
        pipeline = painter(space, "c3").fit({"image": pictures(20)}, training={**SHORT, "seed": seed}, quiet=True)
        decoder = pipeline.decoder
        assert isinstance(decoder, LinearPainter)
        assert pipeline.trained_on[0]["seed"] == seed
        return decoder.layer.weight.detach()

    first = weights(3, before=0)
    assert torch.equal(first, weights(3, before=1))
    assert not torch.equal(first, weights(4, before=0))


def test_a_device_is_checked_and_taken(space: Space) -> None:
    pipeline = painter(space).fit({"image": pictures(20)}, training=SHORT, device="cpu", quiet=True)
    assert pipeline.device == torch.device("cpu")
    with pytest.raises(WrongCall, match="no device is called 'moon'"):
        painter(space).fit({"image": pictures(20)}, training=SHORT, device="moon", quiet=True)


def test_a_batch_holds_no_more_than_all_items(space: Space) -> None:
    pipeline = painter(space)
    pipeline.fit({"image": pictures(3)}, training={"epochs": 2, "batch_size": 64, "validation_split": 0}, quiet=True)
    assert (pipeline.trained_on[0]["rows"], pipeline.trained_on[0]["steps"]) == (3, 2)
    pipeline = painter(space)
    pipeline.fit({"image": pictures(7)}, training={"epochs": 3, "batch_size": 3, "validation_split": 0}, quiet=True)
    assert pipeline.trained_on[0]["steps"] == 6  # two batches an epoch


def test_a_split_that_leaves_nothing_is_refused(space: Space) -> None:
    with pytest.raises(C3Error, match="no item is left to train on"):
        painter(space).fit({"image": pictures(1)}, training={**SHORT, "validation_split": 0.99}, quiet=True)


# ---- warnings and refusals


def test_fewer_than_thirty_items_are_warned_of(space: Space) -> None:
    def warned(counts: dict[str, int]) -> list[str]:
        given = {
            modality: [f"a star {k}" for k in range(n)] if modality == "text" else pictures(n)
            for modality, n in counts.items()
        }
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            small_pipeline(space).fit(given, training=SHORT, quiet=True)
        return [str(one.message) for one in said if "takes the mean" in str(one.message)]

    few = "the bridge takes the mean of only {} item(s). Give it some hundreds that are typical."
    assert warned({"text": 30, "image": 30}) == []
    assert warned({"text": 30, "image": 29}) == [few.format("29 image")]
    assert warned({"text": 2, "image": 3}) == [few.format("2 text and 3 image")]


def test_a_modality_that_is_known_is_not_added_again(space: Space) -> None:
    pipeline = small_pipeline(space).fit({"text": ["a star"] * 30}, training=SHORT, quiet=True)
    with pytest.raises(WrongCall, match="the bridge knows 'text' already"):
        pipeline.extend({"text": ["a ring"]})
    with pytest.raises(WrongCall, match="no image items to fit on"):
        pipeline.extend({"image": []})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"validation": ["x.png"]}, "is not trained: there is nothing to validate"),
        ({"training": {"steps": 5, "epochs": 2.0}}, "is not trained: steps, epochs would do nothing"),
    ],
)
def test_options_of_a_training_that_there_is_not_are_refused(options: dict[str, Any], says: str, space: Space) -> None:
    class Pretrained(LinearPainter):
        trainable = False

    with pytest.raises(WrongCall, match=says):
        painter(space, "c3", Pretrained()).fit({"image": pictures(3)}, quiet=True, **options)
    painter(space, "c3", Pretrained()).fit({"text": ["a star"]}, training={"seed": 3}, quiet=True)


def test_targets_that_cannot_be_read_are_left_out_of_their_batch(space: Space) -> None:
    sizes = list[int]()

    class Counter(LinearPainter):
        def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
            assert len(conditions) == len(batch)
            sizes.append(len(batch))
            return super().loss(conditions, batch)

    def fit(targets: list[Any]) -> None:
        pairs = Pairs(["a star", "a ring", "a red ring", "two stars"], "text", targets)
        painter(space, decoder=Counter()).fit(pairs=pairs, training={**SHORT, "validation_split": 0}, quiet=True)

    fit([*pictures(3), "missing.png"])
    assert sizes == [3, 3]
    with pytest.raises(C3Error, match=r"none of a batch's 4 targets could be read: missing\.png"):
        fit(["missing.png"] * 4)


def test_a_fit_shows_how_far_it_is_unless_it_is_quiet(space: Space, capfd: pytest.CaptureFixture[str]) -> None:
    painter(space).fit({"image": pictures(20)}, training=SHORT, quiet=True)
    assert capfd.readouterr() == ("", "")
    painter(space).fit({"image": pictures(20)}, training=SHORT)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "training linear with bridge c1" in shown.err


# ---- samples in trackers


class ArrayPainter(LinearPainter):
    """Gives its pictures as arrays."""

    def _generate(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> list[Any]:
        return [*self.paint(conditions).mul(255).byte().permute(0, 2, 3, 1).numpy()]


@pytest.mark.parametrize("modality", ["text", "image"])
def test_trackers_show_what_the_decoder_makes_of_held_out_items(space: Space, tmp_path: Path, modality: str) -> None:
    pipeline = small_pipeline(space, bridge="c1") if modality == "text" else painter(space, decoder=ArrayPainter())
    held_out = World().sentences(39)[30:] if modality == "text" else pictures(9, "validation")
    items = World().sentences(30) if modality == "text" else pictures(20)
    training = {**SHORT, "track": "tensorboard"}
    pipeline.fit({modality: items}, validation=held_out, training=training, folder=tmp_path, quiet=True)
    conditions = pipeline.condition(space.encode(held_out[:4], modality), modality)
    expected = pipeline.decoder.generate(conditions, generator=torch.Generator().manual_seed(0))
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    best = pipeline.trained_on[0]["best_step"] - 1  # it was validated at steps 1 and 2, and the best weights are kept
    if modality == "text":
        shown = [read.Tensors(f"samples/{k}/text_summary") for k in range(1, 5)]
        assert [events[best].tensor_proto.string_val[0].decode() for events in shown] == expected
    else:
        events = read.Images("samples")
        assert [event.step for event in events] == [1, 2]
        grid = np.asarray(Image.open(io.BytesIO(events[best].encoded_image_string)))
        tiles = grid.reshape(grid.shape[0] // 32, 32, grid.shape[1] // 32, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
        assert np.abs(tiles[:4].astype(int) - np.stack(expected)).max() <= 1

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageSequence

from c3_playground.world import Item, World
from c3_playground.world import item as item_module
from c3_playground.world.stream import Stream
from c3core.errors import WrongCall

MODALITIES = ("image", "video", "audio")
SHAPES = {"image": (32, 32, 3), "video": (8, 32, 32, 3), "audio": (32000,)}


def digest(world, modality):
    summary = hashlib.sha256()
    for item in world.items(modality, "train", 20, start=5):
        summary.update(f"{item.id} {item.scene} {item.sentences}".encode())
        summary.update(item.data.tobytes())
    return summary.hexdigest()


@pytest.mark.parametrize("modality", MODALITIES)
def test_items_have_data_scene_and_five_sentences(modality):
    item = World().items(modality, "train", 1, start=12)[0]
    assert isinstance(item, Item)
    assert item.id == f"{modality}/train/000012"
    assert item.modality == item.scene.modality == modality
    assert len(item.sentences) == 5
    assert item.data.shape == SHAPES[modality]
    assert item.data.dtype == (np.float32 if modality == "audio" else np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        item.data[0] = 0


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from c3_playground.world import World\nimport hashlib\n"
        "for m in ('image', 'video', 'audio'):\n"
        "    s = hashlib.sha256()\n"
        "    for i in World(3).items(m, 'train', 20, start=5):\n"
        "        s.update(f'{i.id} {i.scene} {i.sentences}'.encode()); s.update(i.data.tobytes())\n"
        "    print(s.hexdigest())\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    run = subprocess.run(
        [sys.executable, "-c", code, *sys.path], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.split() == [digest(World(3), modality) for modality in MODALITIES]


@pytest.mark.parametrize("modality", MODALITIES)
def test_another_seed_gives_other_items(modality):
    assert digest(World(0), modality) != digest(World(1), modality)


@pytest.mark.parametrize("modality", MODALITIES)
def test_items_depend_neither_on_the_batch_nor_on_the_order(modality):
    world = World(2)
    n = 40 if modality != "image" else 300
    together = world.items(modality, "test", n)
    backwards = {item.id: item.data.copy() for item in reversed(world.items(modality, "test", n))}
    for index in (0, 1, 15, 16, 33, n - 1):
        alone = world.items(modality, "test", 1, start=index)[0]
        assert alone == together[index]
        assert np.array_equal(alone.data, together[index].data)
        assert np.array_equal(alone.data, backwards[alone.id])


@pytest.mark.parametrize("modality", MODALITIES)
def test_splits_are_different_streams(modality):
    world = World()
    items = {split: world.items(modality, split, 100) for split in ("train", "validation", "test")}
    for first, second in combinations(items, 2):
        same = sum(a.scene == b.scene for a, b in zip(items[first], items[second], strict=True))
        assert same <= 2
        noise = [Stream(0, modality, split).generator(0).random(8) for split in (first, second)]
        assert not np.array_equal(*noise)


def test_little_rendered_data_is_kept(monkeypatch):
    monkeypatch.setattr(item_module, "KEPT_BYTES", 5_000_000)
    items = World().items("audio", "train", 80)
    first = items[0].data.copy()
    for item in items:
        assert item.data.shape == (32000,)
    assert sum(batch.nbytes for batch in items[0].renderer.kept.values()) <= 5_000_000
    assert np.array_equal(items[0].data, first)


def test_sentences_are_the_items_own():
    world = World(4)
    assert world.sentences(6, "validation", "audio") == [
        item.sentences[0] for item in world.items("audio", "validation", 6)
    ]
    mixed = world.sentences(9)
    assert mixed[1::3] == world.sentences(3, "train", "video")
    assert len(set(world.sentences(3000))) > 2900


def test_a_wrong_request_is_refused():
    world = World()
    with pytest.raises(WrongCall, match="did you mean image"):
        world.items("images", "train", 1)
    for request in (
        lambda: world.sentences(1, "dev"),
        lambda: world.items("image", "train", -1),
        lambda: World(seed=-1),
        lambda: world.items("audio", "variants", 1),
        lambda: world.items("video", "counts", 1),
    ):
        with pytest.raises(WrongCall):
            request()
    assert world.items("image", "train", 0) == []


def exported(tmp_path, modality, n=6, **options):
    world = World(1)
    table = world.export(tmp_path / "out", modality, "test", n, **options)
    with table.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    items = world.items(modality, "test", n)
    assert list(rows[0]) == [modality, "caption"]
    assert [row["caption"] for row in rows] == [sentence for item in items for sentence in item.sentences]
    names = list(dict.fromkeys(row[modality] for row in rows))
    assert sorted([*names, "table.csv"]) == sorted(path.name for path in table.parent.iterdir())
    return [(table.parent / name, item) for name, item in zip(names, items, strict=True)]


def test_exported_pictures_are_exact(tmp_path):
    for path, item in exported(tmp_path, "image"):
        assert np.array_equal(np.asarray(Image.open(path)), item.data)


def test_exported_gifs_are_exact(tmp_path):
    for path, item in exported(tmp_path, "video", 40):
        with Image.open(path) as picture:
            frames = np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)])
        assert np.array_equal(frames, item.data)


def test_exported_mp4s_are_near(tmp_path):
    av = pytest.importorskip("av")
    for path, item in exported(tmp_path, "video", 3, video_suffix=".mp4"):
        with av.open(str(path)) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert frames.shape == item.data.shape
        assert np.abs(frames.astype(float) - item.data).mean() < 8  # H.264 halves the colors' resolution


def test_exported_sounds_are_exact_to_sixteen_bits(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for path, item in exported(tmp_path, "audio"):
        wave, rate = soundfile.read(path, dtype="float32")
        assert rate == 16_000
        assert np.abs(wave - item.data).max() <= 1 / 32767


def test_clips_are_written_in_known_formats_only(tmp_path):
    with pytest.raises(WrongCall, match=r"\.gif or \.mp4"):
        World().export(tmp_path, "video", "test", 1, video_suffix=".avi")


@pytest.mark.parametrize(("position", "factor"), [(1, "shape"), (2, "color"), (3, "place")])
def test_variants_differ_in_one_factor(position: int, factor: str):
    items = World().items("image", "variants", 240)
    exchanged = 0
    for first, other in zip(items[::4], items[position::4], strict=True):
        assert first.scene.background == other.scene.background
        before, after = ([getattr(thing, factor) for thing in item.scene.things] for item in (first, other))
        assert before != after
        exchanged += sorted(before) == sorted(after)
        for a, b in zip(first.scene.things, other.scene.things, strict=True):
            assert replace(a, **{factor: getattr(b, factor)}) == b
        assert len({(thing.shape, thing.color) for thing in other.scene.things}) == len(other.scene.things)
        assert not np.array_equal(first.data, other.data)
    assert 10 < exchanged < 40


def test_a_variant_does_not_depend_on_where_reading_starts():
    assert World().items("image", "variants", 8)[7] == World().items("image", "variants", 1, start=7)[0]


def test_counts_are_the_same_picture_with_other_numbers_of_objects():
    items = World().items("image", "counts", 300)
    complete = 0
    for group in zip(items[::3], items[1::3], items[2::3], strict=True):
        first, *others = (set(item.scene.things) for item in group)
        assert len({item.scene.background for item in group}) == 1
        assert len({item.scene for item in group}) == 3
        complete += sorted(len(item.scene.things) for item in group) == [1, 2, 3]
        for other in others:
            assert first < other or other < first or len(first) == len(other)
    assert complete >= 95  # of 100: large objects may leave no room for another
    assert World().items("image", "counts", 1, start=4)[0] == items[4]

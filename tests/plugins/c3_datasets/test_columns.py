"""Columns of `datasets` as items and as inputs in Python, and a store as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from c3_playground.world import World
from c3core import Pairs, Pipeline, Store, WrongCall, load_pipeline, load_space
from c3core.embedding import embed
from tests.helpers.spaces import TRAINING, fitted, pictures, small_pipeline, write_space

datasets = pytest.importorskip("datasets")

N = 40


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="module")
def table() -> Any:
    columns = {
        "image": [Image.fromarray(array) for array in pictures(N)],
        "caption": World().sentences(N, modality="image"),
    }
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    return datasets.Dataset.from_dict(columns, features=features)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return fitted(write_space(tmp_path_factory.mktemp("space")))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_columns_are_items_of_a_fit(table: Any, tmp_path: Path) -> None:
    space, made = write_space(tmp_path / "space"), []
    stream = table.to_iterable_dataset()
    held = {"text": list(table["caption"]), "image": pictures(N)}
    for items in (
        held,
        {"text": table["caption"], "image": table["image"]},
        {"text": stream["caption"], "image": stream["image"]},
    ):
        one = small_pipeline(load_space(str(space))).fit(items, training=TRAINING, quiet=True)
        made.append(one(pictures(3, "test"), modality="image"))
    assert made[0] == made[1] == made[2]


def test_columns_are_inputs(table: Any, pipeline: Pipeline) -> None:
    expected = pipeline(pictures(N))
    assert pipeline(table["image"]) == pipeline(table.to_iterable_dataset()["image"]) == expected
    undecoded = table.cast_column("image", datasets.Image(decode=False))
    assert pipeline(undecoded["image"], modality="image") == expected


def test_a_stream_is_read_as_it_is_run(table: Any, pipeline: Pipeline) -> None:
    read = []

    def rows() -> Any:
        for number in range(N):
            read.append(number)
            yield {"image": table[number]["image"]}

    stream = datasets.IterableDataset.from_generator(rows)
    outputs = pipeline.stream(stream["image"], modality="image", batch_size=4)
    assert next(outputs)[0] == 0
    assert len(read) < N
    assert [position for position, _ in outputs] == [*range(1, N)]


def test_a_table_in_place_of_a_column_is_said(table: Any, pipeline: Pipeline) -> None:
    for given in (table, table.to_iterable_dataset()):
        with pytest.raises(WrongCall, match="not a (Iterable)?Dataset. Give one of its columns: image, caption"):
            pipeline(given)
        with pytest.raises(WrongCall, match="Give one of its columns"):
            pipeline.fit({"text": given})
    with pytest.raises(WrongCall, match=r"\{modality: sources\}, not as Dataset"):
        pipeline.fit(table)


def test_columns_are_pairs_and_embedded(table: Any, tmp_path: Path) -> None:
    assert Pairs(source=table["image"], modality="image", target=table["caption"]).modality == "image"
    encoder = load_space("playground").encoder("image")
    store = embed(encoder, table.to_iterable_dataset()["image"], tmp_path / "store", quiet=True)
    assert np.array_equal(store.embeddings(), encoder.encode(table["image"]))


def test_a_store_is_a_data_set(table: Any, tmp_path: Path) -> None:
    encoder = load_space("playground").encoder("text")
    store = embed(encoder, table["caption"], tmp_path / "store", shard_rows=16, quiet=True)
    found = store.to_dataset()
    assert isinstance(found, datasets.Dataset)
    assert found.features["embedding"] == datasets.List(datasets.Value("float32"), length=store.dim)
    assert np.array_equal(np.array(found["embedding"], dtype=np.float32), store.embeddings().numpy())
    assert list(found["source"]) == list(table["caption"])
    again = Store.from_embeddings(
        tmp_path / "again", np.array(found["embedding"]), space="s", modality="text", fingerprint="f", ids=found["id"]
    )
    assert len(again) == N
    assert load_pipeline("playground/captioner")(store)[0]


def test_a_store_without_rows_is_no_data_set(tmp_path: Path) -> None:
    store = Store.from_embeddings(tmp_path, np.zeros((0, 8), np.float32), space="s", modality="text", fingerprint="f")
    with pytest.raises(WrongCall, match="has no rows"):
        store.to_dataset()

"""Data sets of the hub, here from local files, which `datasets` streams in the same way."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from c3_playground.world import World
from c3core import C3Error, CorruptFile, Table, WrongCall, load_table
from c3core.media import AudioReader, ImageReader
from tests.helpers.miniatures import write_pictures, write_sounds

datasets = pytest.importorskip("datasets")

PICTURES = [item.data for item in World().items("image", "test", 3)]


def encoded(array: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """A folder with two splits of a data set as the hub has it: two files of one name, and an empty cell."""
    red, blue, green = map(encoded, PICTURES)
    columns = {
        "img": [{"bytes": red, "path": "a/x.png"}, {"bytes": blue, "path": "b/x.png"}, {"bytes": red, "path": "c/y.PNG"}, None],
        "captions": [["one", " zwei Kätzchen "], ["三"], [], ["lost"]],
        "more": ["uno", "dos", None, "lost"],
        "n": [1, 2, 3, 4],
    }  # fmt: skip
    kinds = {"img": datasets.Image(), "captions": datasets.List(datasets.Value("string"))}
    features = datasets.Features({**kinds, "more": datasets.Value("string"), "n": datasets.Value("int64")})
    (tmp_path / "birds").mkdir()
    whole = datasets.Dataset.from_dict(columns, features=features)
    whole.to_parquet(tmp_path / "birds" / "test-00000-of-00001.parquet")
    first = {**{name: cells[:1] for name, cells in columns.items()}, "img": [{"bytes": green, "path": "x.png"}]}
    datasets.Dataset.from_dict(first, features=features).to_parquet(tmp_path / "birds" / "train-00000-of-00001.parquet")
    return tmp_path


def load(folder: Path, argument: str) -> Table:
    return load_table(f"hf-dataset:{argument}&files=kept", folder=folder)


def test_a_list_of_captions_is_a_row_for_each_and_pictures_become_files(parquet: Path) -> None:
    with pytest.warns(UserWarning, match=r"2 row\(s\) of birds lack a file or a caption"):
        table = load(parquet, "birds?split=test&image=img&text=captions")
    assert table.column("text") == ["one", "zwei Kätzchen", "三"]
    first, again, second = table.column("image")
    assert first == again != second
    assert Path(first).is_relative_to(parquet / "kept")
    assert first.endswith(".png")
    for path, array in ((first, PICTURES[0]), (second, PICTURES[1])):
        assert ImageReader().read(path).tobytes() == array.tobytes()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_several_columns_of_text_or_none(parquet: Path) -> None:
    both = load(parquet, "birds?split=train&text=captions,more")
    assert both.columns == {"text": ["one", "zwei Kätzchen", "uno"]}
    pictures = load(parquet, "birds?split=test&image=img")
    assert list(pictures.columns) == ["image"]
    assert pictures.rows == 3
    assert len(set(pictures.column("image"))) == 2  # one file for equal pictures


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_was_read_once_is_kept_until_its_file_changes(parquet: Path) -> None:
    name = "birds?split=train&image=img&text=more"
    first = load(parquet, name)
    written = {path: path.stat().st_mtime_ns for path in (parquet / "kept").rglob("*.*")}
    assert load(parquet, name).columns == first.columns
    assert {path: path.stat().st_mtime_ns for path in (parquet / "kept").rglob("*.*")} == written
    train = parquet / "birds" / "train-00000-of-00001.parquet"
    os.utime(train, (0, 0))  # of the same size
    assert load(parquet, name).columns == first.columns
    again = {path: path.stat().st_mtime_ns for path in (parquet / "kept").rglob("*.*")}
    assert again.items() > written.items()
    assert [path.suffix for path in again.keys() - written] == [".json"]  # its pictures are there already
    train.write_bytes((parquet / "birds" / "test-00000-of-00001.parquet").read_bytes())
    assert load(parquet, name).column("text") == ["uno", "dos"]


def test_one_of_several_configurations(tmp_path: Path) -> None:
    for config in ("de", "en"):
        (tmp_path / f"{config}.jsonl").write_text(json.dumps({"text": config}))
    configs = "".join(f"- config_name: {config}\n  data_files: {config}.jsonl\n" for config in ("de", "en"))
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    assert load(tmp_path, ".?config=en&text=text").column("text") == ["en"]
    with pytest.raises(C3Error, match="cannot be opened: .*de.*en"):
        load(tmp_path, ".?text=text")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_stop_in_the_middle_keeps_no_table(parquet: Path) -> None:
    with pytest.raises(WrongCall, match="column n of birds holds int, not text"):
        load(parquet, "birds?split=test&image=img&text=captions,n")
    assert not list((parquet / "kept").glob("*.json"))


def test_one_file_of_parquet_without_the_hubs_types(tmp_path: Path) -> None:
    cells = [{"bytes": encoded(PICTURES[0]), "path": None}]
    pq.write_table(pa.table({"picture": pa.array(cells), "caption": ["one"]}), tmp_path / "plain.parquet")
    table = load(tmp_path, "plain.parquet?image=picture&text=caption")
    assert ImageReader().read(table.column("image")[0]).tobytes() == PICTURES[0].tobytes()
    with pytest.raises(WrongCall, match="plain.parquet has no split 'test': known: train"):
        load(tmp_path, "plain.parquet?split=test&text=caption")


def test_pictures_of_a_folder_stay_where_they_are(tmp_path: Path) -> None:
    paths = [tmp_path / "photos" / own / "ñ.png" for own in ("a", "b")]
    write_pictures(*paths)
    lines = [json.dumps({"file_name": f"{own}/ñ.png", "text": own.upper()}) for own in ("a", "b")]
    (tmp_path / "photos" / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    table = load(tmp_path, "photos?image=image&text=text")
    assert table.columns == {"image": list(map(str, paths)), "text": ["A", "B"]}


def test_sounds(tmp_path: Path) -> None:
    write_sounds(tmp_path / "a.wav")
    features = datasets.Features({"sound": datasets.Audio(), "text": datasets.Value("string")})
    cells = {"sound": [{"bytes": (tmp_path / "a.wav").read_bytes(), "path": "a.wav"}], "text": ["a beep"]}
    pq.write_table(pa.table(cells, schema=features.arrow_schema), tmp_path / "sounds.parquet")
    table = load(tmp_path, "sounds.parquet?audio=sound&text=text")
    read = AudioReader().read
    assert (read(table.column("audio")[0]) == read(tmp_path / "a.wav")).all()


def test_a_shard_of_webdataset(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "train-0000.tar", "w") as tar:
        for number, array in enumerate(PICTURES[:2]):
            described = json.dumps({"captions": [f"{number} ä", f"{number} b"]}).encode()
            for suffix, data in (("png", encoded(array)), ("json", described), ("txt", b"a sentence")):
                member = tarfile.TarInfo(f"{number:04}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    table = load(tmp_path, "shards?image=png&text=json.captions,txt")
    assert table.column("text") == ["0 ä", "0 b", "a sentence", "1 ä", "1 b", "a sentence"]
    read = [ImageReader().read(path).tobytes() for path in dict.fromkeys(table.column("image"))]
    assert read == [array.tobytes() for array in PICTURES[:2]]


def test_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").write_text('{"text": "Ä", "url": "x"}\n{"text": " ", "url": "y"}\n', encoding="utf-8")
    with pytest.warns(UserWarning, match=r"1 row\(s\)"):
        assert load(tmp_path, "captions.jsonl?text=text").columns == {"text": ["Ä"]}
    with pytest.raises(WrongCall, match="the column of image holds str, not files"):
        load(tmp_path, "captions.jsonl?image=url&text=text")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("birds?image=img", "say which split of birds to take.*known: test, train"),
        ("birds?split=tset&image=img", "birds has no split 'tset': did you mean test?"),
        ("birds?split=test&image=imgs", "birds has no column 'imgs': did you mean img?"),
        ("birds?split=test&image=n", "the column of image holds int, not files"),
        ("birds?split=test", "name at least one column"),
        ("birds?split=test&picture=img", "picture: no such field"),
        ("./bird?split=test&image=img", "bird does not exist: the folder holds birds/"),
        ("bird.parquet?image=img", "bird.parquet does not exist"),
    ],
)
def test_what_is_not_there_is_one_error_that_says_what_is(parquet: Path, argument: str, says: str) -> None:
    with pytest.raises(WrongCall, match=says) as caught:
        load(parquet, argument)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_broken_or_empty_of_both(parquet: Path) -> None:
    (parquet / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(C3Error, match="broken.parquet cannot be"):
        load(parquet, "broken.parquet?image=img")
    datasets.Dataset.from_dict({"text": ["", " "]}).to_parquet(parquet / "blank.parquet")
    with pytest.raises(CorruptFile, match="no row of blank"), pytest.warns(UserWarning, match=r"2 row\(s\)"):
        load(parquet, "blank.parquet?text=text")


def test_code_of_a_data_set_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "coded").mkdir()
    (tmp_path / "coded" / "coded.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(C3Error, match="coded cannot be opened"):
        load(tmp_path, "coded?text=text")
    assert not (tmp_path / "ran").exists()


def test_without_the_network_the_hub_is_not_reachable(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from c3core.cli import main; main()", "embed", "playground", "image"]
    command += ["hf-dataset:nobody/birds?split=test&image=image&text=text", "--out", str(tmp_path / "out")]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, env=offline, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "error: hf-dataset: nobody/birds cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr

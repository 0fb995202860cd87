"""Embedding with a local Ray of two processors gives the store of the local engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from c3core.contracts import BadItem
from c3core.data.items import load_items
from c3core.embedding.embedder import embed
from c3core.errors import C3Error, NotInstalled
from c3core.registry import Entry, entry
from c3core.store.store import Store
from tests.helpers.words import DangerousReader, WordEncoder

ROOT = Path(__file__).parents[3]
pytest.importorskip("ray.data", reason='needs pip install "c3core[ray]"')


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    import ray

    ray.init(
        num_cpus=2,
        object_store_memory=80_000_000,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},  # for words.py
    )
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield ray
    ray.shutdown()


def same(one: Path, other: Path) -> None:
    """The same store: embeddings to 1e-6, everything else to the byte."""
    for name in ("store.json", "errors.jsonl"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    same_rows(one, other)


def same_rows(one: Path, other: Path) -> None:
    """The same rows and errors in the same order, however they lie in shards."""
    first, second = Store.open(one), Store.open(other)
    assert list(first.errors()) == list(second.errors())
    rows, others = (
        [pair for row in store.batches() for pair in zip(row.ids, row.sources, strict=True)]
        for store in (first, second)
    )
    assert rows == others
    torch.testing.assert_close(first.embeddings(), second.embeddings(), rtol=0, atol=1e-6)
    norms, twins = (torch.cat([row.norms for row in store.batches(100_000)]) for store in (first, second))
    torch.testing.assert_close(norms, twins, rtol=1e-6, atol=0)


def test_the_command_line_makes_the_same_store(ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from c3core.cli import app

    monkeypatch.chdir(tmp_path)  # paths are relative: Ray's processes must find them
    for number in range(6):
        Image.new("RGB", (40, 30), (40 * number, 90, 10)).save(f"{number}.png")
    Path("broken.png").write_bytes(Path("0.png").read_bytes()[:60])
    Path("pictures.txt").write_text("".join(f"{name}.png\n" for name in [*range(6), "broken", "missing"] * 5))
    command = ["embed", "playground", "image", "pictures.txt", "3.png", "--batch-size", "3"]
    for words in (["--out", "local"], ["--out", "spread", "--engine", "ray", "--actors", "2"]):
        done = CliRunner().invoke(app, [*command, *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    store = Store.open("spread")
    assert (len(store), len(list(store.errors()))) == (31, 10)
    same(Path("local"), Path("spread"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_continues(how: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and SIGKILL in the middle; the same command again ends with the local engine's store."""
    (tmp_path / "lines.txt").write_text("".join(f"a red ring left of {number} squares\n" for number in range(15_000)))
    words = ["embed", "playground", "text", str(tmp_path / "lines.txt"), "--shard-rows", "500"]
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from c3core.cli import main; main()"
    )

    def begin(*more: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", start, *words, *more], stderr=subprocess.PIPE, text=True)

    spread = ["--out", str(tmp_path / "spread"), "--engine", "ray"]
    process = begin(*spread)
    while not (tmp_path / "spread" / "shard-000003.parquet").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(how)
    said = process.communicate(timeout=120)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "Run the same command again" in said
        assert "Traceback" not in said
    else:
        assert process.returncode == -signal.SIGKILL
    assert 4 <= len(list((tmp_path / "spread").glob("shard-*.parquet"))) < 30
    for more in (spread, ["--out", str(tmp_path / "local")]):
        process = begin(*more)
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
    compared = same if how == signal.SIGKILL else same_rows  # Ctrl-C writes what is in memory first: a shorter shard
    compared(tmp_path / "local", tmp_path / "spread")


class Together(WordEncoder):
    """Waits until it embeds in two processes, and says in each embedding's norm which of them made it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def embed(self, items: Sequence[Any]) -> Tensor:
        import os
        import time

        (self.folder / str(os.getpid())).touch()
        patience = time.monotonic() + 120
        while len(list(self.folder.iterdir())) < 2:
            assert time.monotonic() < patience, "there is no second process"
            time.sleep(0.05)
        return super().embed(items) * (2 if str(os.getpid()) == min(path.name for path in self.folder.iterdir()) else 3)


@pytest.mark.slow
def test_bad_sources_and_sources_that_kill_their_process(ray: Any, tmp_path: Path) -> None:
    listed = tmp_path / "texts.txt"
    special = {3: "bad item", 11: "please die", 39: "bad again"}
    listed.write_text("\n".join(special.get(number, f"word{number} of some") for number in range(40)))
    open_sources = partial(load_items, listed, "text")
    load = partial(WordEncoder, reader=DangerousReader())
    options: dict[str, Any] = {"batch_size": 6, "workers": 1, "shard_rows": 6, "quiet": True}
    local = embed(load(), open_sources(), tmp_path / "local", **options)
    assert len(list(local.errors())) == 3

    from c3_ray.engine import embed_with_ray

    for workers in (0, 1):
        embed_with_ray(load, open_sources, tmp_path / f"spread{workers}", **options | {"workers": workers})
        same(tmp_path / "local", tmp_path / f"spread{workers}")


@pytest.mark.slow
def test_two_models_continue_an_unfinished_store(ray: Any, tmp_path: Path) -> None:
    from c3_ray.engine import embed_with_ray

    texts = [f"word{number} and more" if number % 13 else "bad" for number in range(200)]
    options: dict[str, Any] = {"batch_size": 5, "shard_rows": 30, "quiet": True}
    embed(WordEncoder(), texts, tmp_path / "whole", **options)

    def broken_off() -> Iterator[str]:
        yield from texts[:71]  # the last one may be the first of several: it is not worked on yet
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(WordEncoder(), broken_off(), tmp_path / "store", **options)
    assert len(list((tmp_path / "store").glob("*.parquet"))) == 3

    (tmp_path / "here").mkdir()
    load = partial(Together, tmp_path / "here")
    embed_with_ray(load, lambda: texts, tmp_path / "store", actors=2, **options)
    store, whole = Store.open(tmp_path / "store"), Store.open(tmp_path / "whole")
    assert list(store.sources()) == list(whole.sources())
    assert list(store.errors()) == list(whole.errors())
    torch.testing.assert_close(store.embeddings(), whole.embeddings(), rtol=0, atol=1e-6)
    factor = torch.cat([row.norms for row in store.batches(1000)]) / torch.cat(
        [row.norms for row in whole.batches(1000)]
    )
    assert factor[:64].round().unique().tolist() == [1]  # what was there already
    assert factor[64:].round().unique().tolist() == [2, 3]  # two processes

    # Complete: nothing is read; other inputs are refused.
    embed_with_ray(load, lambda: texts, tmp_path / "store", **options)
    with pytest.raises(C3Error, match="other inputs"):
        embed_with_ray(load, lambda: ["other", *texts[1:]], tmp_path / "store", **options)


class Broken(WordEncoder):
    def embed(self, items: Sequence[Any]) -> Tensor:
        raise RuntimeError("no such kernel")


def unreachable() -> WordEncoder:
    raise C3Error("the weights are gone. Get them again.")


def crash() -> WordEncoder:
    raise RuntimeError("out of paper")


class Late(WordEncoder):
    """Another one every time that it is loaded."""

    def __init__(self) -> None:
        import os

        super().__init__()
        self.fingerprint = f"process {os.getpid()} {os.urandom(4).hex()}"


def failing_stream() -> Iterator[str]:
    yield from (f"word{number}" for number in range(31))  # the last one may be the first of several
    raise C3Error("line 32 is not UTF-8. Save the list as UTF-8.")


@pytest.mark.parametrize(
    ("load", "sources", "message"),
    [
        (unreachable, lambda: ["a"], "the weights are gone"),
        (crash, lambda: ["a"], "Ray failed.*out of paper"),
        pytest.param(Late, lambda: ["a"], "another encoder was loaded here", marks=pytest.mark.slow),
        pytest.param(
            Broken,
            lambda: ["a", "b"],
            "fails on every item: no such kernel",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_errors_in_ray_are_raised_here(load: Any, sources: Any, message: str, ray: Any, tmp_path: Path) -> None:
    from c3_ray.engine import embed_with_ray

    with pytest.raises(C3Error, match=message):
        embed_with_ray(load, sources, tmp_path / "store", quiet=True)


def test_a_stream_that_fails_keeps_the_rows_before(ray: Any, tmp_path: Path) -> None:
    from c3_ray.engine import embed_with_ray

    with pytest.raises(C3Error, match="line 32"):
        embed_with_ray(WordEncoder, failing_stream, tmp_path / "store", batch_size=10, shard_rows=10, quiet=True)
    assert len(list((tmp_path / "store").glob("*.parquet"))) == 3


@pytest.mark.parametrize("options", [{"actors": 3}, {"actors": 1, "workers": 2}])
def test_more_actors_than_processors_are_refused(options: dict[str, int], ray: Any, tmp_path: Path) -> None:
    from c3_ray.engine import embed_with_ray

    with pytest.raises(C3Error, match="2 processor"):
        embed_with_ray(WordEncoder, lambda: ["a"], tmp_path / "store", **options)


def test_the_settings_of_ray_are_restored(ray: Any, tmp_path: Path) -> None:
    from c3_ray.engine import cluster

    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size, context.execution_options.preserve_order
    with cluster():
        assert context.execution_options.preserve_order
    assert (context.target_max_block_size, context.execution_options.preserve_order) == before
    assert ray.is_initialized()


def test_a_missing_ray_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "missing", ["ray"])
    with pytest.raises(NotInstalled, match=r'pip install "c3core\[ray\]"'):
        entry("engine", "ray").load()


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--engine", "raj"], "did you mean ray"), (["--actors", "2"], "--actors is for --engine ray")],
)
def test_wrong_words_on_the_command_line(words: list[str], message: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from c3core.cli import app

    done = CliRunner().invoke(app, ["embed", "playground", "text", "a", "--out", str(tmp_path / "s"), *words])
    assert done.exit_code == 2
    assert message in done.stderr


def test_bad_items_and_errors_are_kept_apart(tmp_path: Path) -> None:
    """What goes between processes keeps errors and bad items apart."""
    from c3_ray.engine import pack, unpack

    assert unpack(pack(lambda: BadItem("a", "b"))) == BadItem("a", "b")
    with pytest.raises(C3Error, match="wrong"):
        unpack(pack(lambda: (_ for _ in ()).throw(C3Error("wrong"))))


def test_warnings_in_ray_are_issued_here() -> None:
    """That a text was cut, or the license of weights: Ray would keep it to itself."""
    from c3_ray.engine import pack, unpack

    def work() -> int:
        warnings.warn("a text is longer than 24 tokens", stacklevel=1)
        return 3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        packed = pack(work)
    with pytest.warns(UserWarning, match="longer than 24 tokens") as said:
        assert unpack(packed) == 3
    assert len(said) == 1

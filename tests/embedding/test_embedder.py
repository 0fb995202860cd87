"""Embedding a stream into a store: bad items, kills, interrupts, a full disk, processes that die."""

from __future__ import annotations

import copy
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from c3core.contracts import BadItem, Reader
from c3core.data.fingerprint import checksum
from c3core.data.items import load_items
from c3core.data.sources import Source
from c3core.embedding.embedder import BROKEN, embed
from c3core.embedding.workers import read_batches
from c3core.errors import C3Error
from c3core.store.shard import BadInput
from c3core.store.store import Store, join

sys.path.insert(0, str(Path(__file__).parents[2]))  # the processes must be able to import it, too
from tests.helpers import words
from tests.helpers.words import DangerousReader, WordEncoder


def sentences(count: int) -> list[str]:
    return [f"bad {i}" if i % 50 == 7 else f"word{i % 30} word{i % 7} number{i}" for i in range(count)]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "captions.txt"
    path.write_text("\n".join(sentences(1200)) + "\n")
    return path


@pytest.fixture(scope="module")
def whole(listed: Path) -> dict[str, bytes]:
    """The files of a store that nothing interrupted."""
    return files(words.embed_list(listed.parent / "whole", listed).folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_good_source_is_a_row_in_order(listed: Path, tmp_path: Path) -> None:
    store = words.embed_list(tmp_path / "store", listed)
    good = [(i, sentence) for i, sentence in enumerate(sentences(1200)) if not sentence.startswith("bad")]
    encoder = WordEncoder()
    raw = torch.cat([encoder.embed([sentence.split()]) for _, sentence in good]).double()
    rows = list(store.batches(10_000))
    assert [name for row in rows for name in row.ids] == [f"{listed}:{i + 1}" for i, _ in good]
    assert list(store.sources()) == [sentence for _, sentence in good]
    torch.testing.assert_close(torch.cat([row.norms for row in rows]).double(), raw.norm(dim=-1), rtol=1e-5, atol=0)
    torch.testing.assert_close(store.embeddings().double(), raw / raw.norm(dim=-1, keepdim=True), rtol=0, atol=1e-6)
    errors = list(store.errors())
    assert len(errors) == 24
    assert errors[0] == BadInput(f"{listed}:8", "bad 7", "no words")
    assert [json.loads(line) for line in (store.folder / "errors.jsonl").read_text().splitlines()] == [
        vars(error) for error in errors
    ]
    assert store.fingerprint == encoder.fingerprint
    store.check()


@pytest.mark.parametrize("at", [1, 2, 7, 12, 13])  # manifest, ten shards, errors, manifest
@pytest.mark.parametrize("before", [True, False])
def test_a_run_after_a_kill_at_a_rename_gives_the_same_bytes(
    at: int, before: bool, listed: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "store"
    assert words.run_and_die(out, listed, at=at, before=before) == -signal.SIGKILL
    words.embed_list(out, listed)
    assert files(out) == whole


def test_a_run_after_kills_at_random_times_gives_the_same_bytes(
    listed: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    draw, out, held = random.Random(0), tmp_path / "store", []
    for _ in range(6):
        assert words.run_and_kill(out, listed, seconds=draw.uniform(0, 0.12), delay=0.02) == -signal.SIGKILL
        held.append(len(list(out.glob("shard-*"))))
        with pytest.raises(C3Error, match="unfinished"):
            Store.open(out)
    assert held == sorted(held)
    words.embed_list(out, listed)
    assert files(out) == whole


def test_a_run_after_kills_while_processes_read_gives_the_same_bytes(
    listed: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "store"
    for shards in (0, 3, 6):  # none: the processes are starting
        process = words.start(out, listed, delay=0.05, workers=2)
        while len(list(out.glob("shard-*"))) < shards and process.is_alive():
            time.sleep(0.01)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    words.embed_list(out, listed, workers=2)
    assert files(out) == whole


BLOCKED = """
import signal, sys
sys.path.insert(0, {folder!r})
from tests.helpers.words import WordReader
from c3core.embedding.workers import Worker
if __name__ == "__main__":
    worker = Worker(WordReader(), 60)
    (mask,) = [line.split()[1] for line in open(f"/proc/{{worker.process.pid}}/status") if line.startswith("SigBlk")]
    print(bool(int(mask, 16) & 1 << signal.SIGINT - 1), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
    worker.stop()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says which signals a process blocks")
def test_an_interrupt_reaches_only_the_main_process(tmp_path: Path) -> None:
    (tmp_path / "blocked.py").write_text(BLOCKED.format(folder=str(Path(__file__).parents[2])))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "blocked.py")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_nothing_is_embedded_into_a_complete_store(listed: Path, tmp_path: Path) -> None:
    words.embed_list(tmp_path / "store", listed)
    before = files(tmp_path / "store")
    encoder = WordEncoder()
    store = embed(encoder, load_items(listed, "text"), tmp_path / "store", quiet=True)
    assert encoder.batches == 0
    assert len(store) == 1176
    assert files(tmp_path / "store") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[:-1], "other inputs"),
        (lambda found: ["new", *found[1:]], "other inputs"),
        (lambda found: [*found, "one more"], "fewer inputs"),
        (lambda found: [found[1], found[0], *found[2:]], "other inputs"),
    ],
)
def test_other_inputs_are_refused(change: Callable[[list[str]], list[str]], message: str, tmp_path: Path) -> None:
    embed(WordEncoder(), sentences(40), tmp_path / "store", quiet=True)
    with pytest.raises(C3Error, match=message):
        embed(WordEncoder(), change(sentences(40)), tmp_path / "store", quiet=True)


def test_a_changed_file_under_the_same_name_is_refused(tmp_path: Path) -> None:
    class Lines(Reader):
        def read(self, source: Any) -> list[str]:
            return Path(source).read_text().split()

    photo = tmp_path / "a.txt"
    photo.write_text("a red ring")
    os.utime(photo, (1000, 1000))
    embed(WordEncoder(reader=Lines()), [photo], tmp_path / "store", quiet=True)
    os.utime(photo, (2000, 1000))  # only the time of the last access
    embed(WordEncoder(reader=Lines()), [photo], tmp_path / "store", quiet=True)
    for content, modified in (("a red disc", 2000), ("a red circle", 1000)):  # the same size, or the same time
        photo.write_text(content)
        os.utime(photo, (modified, modified))
        with pytest.raises(C3Error, match="a file was changed"):
            embed(WordEncoder(reader=Lines()), [photo], tmp_path / "store", quiet=True)


def test_an_error_that_is_kept_does_not_lock_the_store(tmp_path: Path) -> None:
    def cut() -> Iterator[str]:
        yield from ("one", "two")
        raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        embed(WordEncoder(), cut(), tmp_path / "store", batch_size=1, quiet=True)
    with pytest.raises(C3Error, match="other inputs") as kept:  # as a notebook keeps its last error
        embed(WordEncoder(), ["three", "two"], tmp_path / "store", quiet=True)
    assert len(embed(WordEncoder(), ["one", "two"], tmp_path / "store", quiet=True)) == 2
    assert kept.value.__traceback__ is not None


def test_other_arrays_under_the_same_ids_are_refused(tmp_path: Path) -> None:
    class Arrays(WordEncoder):
        def embed(self, items: Sequence[Any]) -> Tensor:
            return torch.stack([self.table[len(item)] for item in items])

    arrays = [np.arange(4), np.arange(5)]
    embed(Arrays(reader=_AsIs()), [Source(str(i), array) for i, array in enumerate(arrays)], tmp_path / "s", quiet=True)
    store = embed(Arrays(), [Source(str(i), array) for i, array in enumerate(arrays)], tmp_path / "s", quiet=True)
    assert list(store.sources()) == ["<ndarray>", "<ndarray>"]
    for other in ([arrays[0], arrays[1] + 1], [torch.arange(4), torch.arange(6)]):
        with pytest.raises(C3Error, match="other inputs"):
            embed(Arrays(), [Source(str(i), array) for i, array in enumerate(other)], tmp_path / "s", quiet=True)


class _AsIs(words.WordReader):
    def read(self, source: Any) -> Any:
        return source


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((np.zeros(9, np.float32), 16000), (np.ones(9, np.float32), 16000)),
        ((np.zeros(9, np.float32), 16000), (np.zeros(9, np.float32), 8000)),
        (np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)),
        (torch.zeros(2, 6), torch.zeros(3, 4)),
        (torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.float16)),
        ([1.0, 2.0], [1.0, 3.0]),
        ({"a": torch.tensor(1)}, {"a": torch.tensor(2)}),
    ],
)
def test_a_checksum_covers_contents(one: Any, other: Any) -> None:
    assert checksum([one]) == checksum([copy.deepcopy(one)]) != checksum([other])


def test_paths_and_arrays_are_sources_but_one_string_is_refused(tmp_path: Path) -> None:
    class Named(Reader):
        def read(self, source: Any) -> list[str]:
            return [type(source).__name__]

    store = embed(WordEncoder(reader=Named()), [Path("a.txt"), "b.txt", np.zeros(3)], tmp_path / "store", quiet=True)
    batch = next(store.batches())
    assert batch.ids == ["a.txt", "b.txt", "2"]
    assert batch.sources == ["a.txt", "b.txt", "<ndarray>"]
    with pytest.raises(C3Error, match=r"Write \[source\]"):
        embed(WordEncoder(), "a red cube", tmp_path / "other", quiet=True)


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    embed(WordEncoder(), sentences(10), tmp_path / "store", quiet=True)
    with pytest.raises(C3Error, match=r"another encoder.*fingerprint words-16-0"):
        embed(WordEncoder(seed=1), sentences(10), tmp_path / "store", quiet=True)


def test_another_precision_is_refused(tmp_path: Path) -> None:
    class Half(WordEncoder):
        dtype = torch.bfloat16

    embed(WordEncoder(), sentences(10), tmp_path / "store", quiet=True)
    with pytest.raises(C3Error, match=r"another encoder \(precision float32\)"):
        embed(Half(), sentences(10), tmp_path / "store", quiet=True)
    half = embed(Half(), sentences(10), tmp_path / "half", quiet=True)
    with pytest.raises(C3Error, match="cannot be joined"):
        join([Store.open(tmp_path / "store"), half], tmp_path / "both")


def test_ctrl_c_keeps_whole_batches_and_says_how_to_continue(tmp_path: Path) -> None:
    class Interrupted(WordEncoder):
        def embed(self, items: Sequence[Any]) -> Tensor:
            if self.batches == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            return super().embed(items)

    inputs, out = sentences(200), tmp_path / "store"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore the signal
    with pytest.raises(KeyboardInterrupt) as caught:
        embed(Interrupted(), inputs, out, batch_size=16, quiet=True)
    signal.signal(signal.SIGINT, before)
    assert "48 inputs" in (said := str(caught.value))
    assert "same command again" in said
    encoder = WordEncoder()
    store = embed(encoder, inputs, out, batch_size=16, quiet=True)
    embed(WordEncoder(), inputs, tmp_path / "whole", batch_size=16, quiet=True)
    assert files(out) == files(tmp_path / "whole")  # so that shuffling gives the same order, too
    assert encoder.batches == 10  # 152 inputs were left
    assert list(store.sources()) == [sentence for sentence in inputs if not sentence.startswith("bad")]
    store.check()


def test_a_full_disk_is_named_and_the_next_run_continues(listed: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    said = words.run_limited(tmp_path / "store", listed, limit=9_000)
    assert "cannot write" in said
    assert "shard-000000.parquet" in said
    assert "File too large" in said
    words.embed_list(tmp_path / "store", listed)
    assert files(tmp_path / "store") == whole


def test_a_read_only_folder_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "captions.txt").write_text("a\nb\n")
        (folder / "closed").mkdir(mode=0o700)
        folder.chmod(0o555)
        nobody = 65534 if os.geteuid() == 0 else None  # root may write anywhere
        assert "cannot write" in words.run_limited(folder / "store", folder / "captions.txt", user=nobody)
        if nobody:
            assert "cannot write" in words.run_limited(folder / "closed/store", folder / "captions.txt", user=nobody)
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(C3Error, match="cannot write"):
        embed(WordEncoder(), sentences(10), "/proc/c3/store", quiet=True)


def test_a_run_without_a_good_source_is_an_error_with_the_first_reasons(tmp_path: Path) -> None:
    out = tmp_path / "store"
    with pytest.raises(
        C3Error, match=r"none of 5 inputs.*bad 0: no words; bad 1: no words; bad 2: .*and 2 more.*errors\.jsonl"
    ):
        embed(WordEncoder(), [f"bad {i}" for i in range(5)], out, shard_rows=2, batch_size=2, quiet=True)
    assert [path.name for path in out.iterdir()] == ["errors.jsonl"]
    assert len(embed(WordEncoder(), ["good now"], out, quiet=True)) == 1
    with pytest.raises(C3Error, match="no inputs"):
        embed(WordEncoder(), [], tmp_path / "empty", quiet=True)


class Picky(WordEncoder):
    """Fails on a batch with an odd sentence in it, and gives NaN or zero for others."""

    def embed(self, items: Sequence[Any]) -> Tensor:
        if any("odd" in item for item in items):
            raise RuntimeError("an odd item")
        raw = super().embed(items)
        for row, item in zip(raw, items, strict=True):
            row *= {"nan": float("nan"), "zero": 0.0, "tiny": 1e-14}.get(item[0], 1.0)
        return raw


def test_a_refused_item_is_only_a_bad_item(tmp_path: Path) -> None:
    inputs = ["one", "odd", "nan", "bad", "zero", "two", "tiny", "nan odd"]
    store = embed(Picky(), inputs, tmp_path / "store", quiet=True)
    assert list(store.sources()) == ["one", "two"]
    assert [(error.source, error.why) for error in store.errors()] == [
        ("odd", "an odd item"),
        ("nan", "its embedding is not finite"),
        ("bad", "no words"),
        ("zero", "its embedding is zero"),
        ("tiny", "its embedding is zero"),
        ("nan odd", "an odd item"),
    ]


def test_a_broken_encoder_ends_the_run_and_whole_batches_are_kept(tmp_path: Path) -> None:
    inputs = [*(f"fine {n}" for n in range(20)), *(f"odd {n}" for n in range(BROKEN + 5))]
    with pytest.raises(C3Error, match=f"failed on {BROKEN} items in a row"):
        embed(Picky(), inputs, tmp_path / "store", batch_size=10, quiet=True)
    encoder = WordEncoder()
    assert len(embed(encoder, inputs, tmp_path / "store", batch_size=10, quiet=True)) < len(inputs)
    assert encoder.batches == 1  # 20 fine ones and 30 refused were kept


def test_a_stream_that_fails_midway_keeps_whole_batches(tmp_path: Path) -> None:
    listed = tmp_path / "captions.txt"
    listed.write_bytes("\n".join(sentences(100)).encode() + b"\n\xff broken\nlast\n")
    with pytest.raises(C3Error, match="line 101 is not UTF-8"):
        words.embed_list(tmp_path / "store", listed)
    listed.write_bytes("\n".join(sentences(100)).encode() + b"\nmended\nlast\n")
    assert len(words.embed_list(tmp_path / "store", listed)) == 100


def test_file_names_that_are_not_utf8_are_stored_as_escapes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 au lait")
    store = embed(WordEncoder(reader=_Plain()), [name, f"bad {name}"], tmp_path / "store", quiet=True)
    assert list(store.sources()) == ["caf\\udce9 au lait"]
    assert next(store.errors()).source == "bad caf\\udce9 au lait"


class _Plain(words.WordReader):
    def read(self, source: Any) -> list[str]:
        return super().read(source.encode(errors="replace").decode())


# ---- processes that read


def test_worker_processes_give_the_same_store(listed: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    stream = load_items(listed, "text")
    embed(WordEncoder(), stream, tmp_path / "store", batch_size=32, shard_rows=100, workers=2, quiet=True)
    assert files(tmp_path / "store") == whole


def test_a_source_that_kills_or_hangs_its_process_is_only_a_bad_item(tmp_path: Path) -> None:
    once = tmp_path / "once"
    inputs = ["a", "die", "b", "hang", "c", f"once {once}", "closed", "bad", "die", *["rest"] * 10]
    stream = [Source(str(i), sentence) for i, sentence in enumerate(inputs)]
    batches = list(read_batches(DangerousReader(), stream, batch_size=4, workers=2, patience=3))
    assert [len(batch) for batch in batches] == [4, 4, 2]  # the rest is one run
    read = [pair for batch in batches for pair in batch]
    assert [source.id for run, _ in read for source in run] == [str(i) for i in range(19)]
    bad = {run[0].id: item.why for run, item in read if isinstance(item, BadItem)}
    assert bad.keys() == {"1", "3", "6", "7", "8"}
    assert "died" in bad["1"]
    assert "longer than 3 s" in bad["3"]
    assert "cannot be sent" in bad["6"]
    assert bad["7"] == "no words"
    assert "died" in bad["8"]
    assert [item for _, item in read if not isinstance(item, BadItem)][:3] == [["a"], ["b"], ["c"]]


def test_tensors_are_sent_by_value_and_the_stream_is_read_as_needed() -> None:
    taken = 0

    def stream() -> Iterator[Source]:
        nonlocal taken
        for i in range(10_000):
            taken = i + 1
            yield Source(str(i), f"tensor {i}")

    batches = read_batches(DangerousReader(), stream(), batch_size=8, workers=2)
    first = next(batches)
    assert torch.equal(first[0][1], torch.arange(4.0))
    assert taken <= 8 * 3 + 1  # one more, to see where a run ends
    batches.close()


def test_a_reader_that_cannot_be_pickled_is_refused() -> None:
    class Local(words.WordReader):
        pass

    with pytest.raises(C3Error, match="workers=0"):
        list(read_batches(Local(), [Source("1", "a")], batch_size=4, workers=1))

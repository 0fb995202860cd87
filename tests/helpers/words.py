"""A small encoder of hashed bags of words, and embedding with it in processes that are killed."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from c3core.contracts import Encoder, Reader
from c3core.data.items import load_items
from c3core.embedding.embedder import embed
from c3core.errors import C3Error


class WordReader(Reader):
    """Sentences to words."""

    def read(self, source: Any) -> list[str]:
        words = str(source).split()
        if not words or words[0] == "bad":
            raise ValueError("no words")
        return words


class DangerousReader(WordReader):
    """Sentences that say `die` end the process; those that say `hang` never come back."""

    def read(self, source: Any) -> Any:
        words = super().read(source)
        if "die" in words:
            os._exit(7)
        if "once" in words and not Path(words[-1]).exists():
            Path(words[-1]).touch()
            os._exit(7)
        if "hang" in words:
            time.sleep(600)
        if "tensor" in words:
            return torch.arange(4.0)
        if "closed" in words:
            return lambda: words
        return words


class WordEncoder(Encoder):
    space, modality, license = "words", "text", "own"

    def __init__(self, dim: int = 16, seed: int = 0, reader: Reader | None = None) -> None:
        self.dim, self.fingerprint = dim, f"words-{dim}-{seed}"
        self.table = torch.randn(512, dim, generator=torch.Generator().manual_seed(seed))
        self._reader = reader or WordReader()
        self.batches = 0
        self.delay = 0.0  # seconds a batch
        self.endless = ""  # a word whose batch is never done

    def reader(self) -> Reader:
        return self._reader

    def embed(self, items: Sequence[Any]) -> Tensor:
        self.batches += 1
        time.sleep(600 if any(self.endless in words for words in items) else self.delay)
        return torch.stack([self.table[[crc32(word.encode()) % 512 for word in words]].sum(0) for words in items])


# ---- embedding in another process

context = get_context("forkserver")
context.set_forkserver_preload(["c3core.embedding.embedder"])  # imports torch once, not once a process


def start(out: Path, listed: Path, *, delay: float, workers: int = 0) -> Any:
    """Embed in another process, which waits in its last batch to be killed."""
    process = context.Process(target=_embed, args=(out, listed, delay, workers))
    process.start()
    return process


def run_and_kill(out: Path, listed: Path, *, seconds: float, delay: float) -> int:
    """Embed in another process and SIGKILL it after a while: its exit code."""
    process = start(out, listed, delay=delay)
    while not (out / "store.json").exists() and process.is_alive():
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    process.join()
    return process.exitcode or 0


def run_and_die(out: Path, listed: Path, *, at: int, before: bool) -> int:
    """Embed in another process, which kills itself before or after its file number `at` gets its name: its exit code."""
    process = context.Process(target=_embed_and_die, args=(out, listed, at, before))
    process.start()
    process.join()
    return process.exitcode or 0


def run_limited(out: Path, listed: Path, *, limit: int | None = None, user: int | None = None) -> str:
    """Embed in another process that may write no file over `limit` bytes, or runs as a `user`: the error's text."""
    ours, theirs = context.Pipe()
    process = context.Process(target=_embed_limited, args=(out, listed, limit, user, theirs))
    process.start()
    theirs.close()
    try:
        return str(ours.recv())
    except EOFError:
        return ""
    finally:
        process.join()


def embed_list(out: Path, listed: Path, *, delay: float = 0.0, endless: str = "", workers: int = 0) -> Any:
    encoder = WordEncoder()
    encoder.delay, encoder.endless = delay, endless
    stream = load_items(listed, "text")
    return embed(encoder, stream, out, batch_size=32, shard_rows=100, workers=workers, quiet=True)


def _embed(out: Path, listed: Path, delay: float, workers: int) -> None:
    embed_list(out, listed, delay=delay, endless=listed.read_text().split()[-1], workers=workers)


def _embed_and_die(out: Path, listed: Path, at: int, before: bool) -> None:
    rename, count = os.replace, 0

    def replace(source: Any, target: Any) -> None:
        nonlocal count
        count += 1
        if count == at and before:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace
    embed_list(out, listed)


def _embed_limited(out: Path, listed: Path, limit: int | None, user: int | None, pipe: Any) -> None:
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if user is not None:
        os.setuid(user)
    try:
        embed_list(out, listed)
    except C3Error as error:
        pipe.send(str(error))

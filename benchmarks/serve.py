"""Load `c3 serve`: 64 clients at once, then broken, huge, slow and hostile requests, and clients that are killed.

    python benchmarks/serve.py [--seconds 60] [--pipeline photos/captioner --inputs 'photos/*.jpg'] [--json]

Each answer is compared with what `c3 run` prints for that file. The throughput is given as a share of `Pipeline.run` in
batches of 64 of the same files, which is timed before and after the load, while the server is idle; and in processor
time, which says more on a machine that does other work too. The clients are one process of asyncio.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from c3_playground.world import World
from c3core import Pipeline, load_pipeline
from c3core.runtime import progress_bar

C3 = [sys.executable, "-c", "from c3core.cli import main; main()"]
BOUNDARY = b"c3-serve-benchmark"
HOSTILE = 500


class Server(NamedTuple):
    process: subprocess.Popen[str]
    port: int

    @property
    def megabytes(self) -> float:
        """The resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else float("nan")

    @property
    def cpu_seconds(self) -> float:
        """The processor time so far."""
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(pipeline: str, *options: str) -> Iterator[Server]:
    """Start `c3 serve`; kill it in the end."""
    process = subprocess.Popen([*C3, "serve", pipeline, "--port", "0", *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(process, int(process.stdout.readline().rsplit(":", 1)[1]))
    finally:
        process.kill()
        process.wait()


# ---- requests


def form(*files: tuple[str, bytes], **fields: str) -> bytes:
    """A request to /run with files."""
    parts = [
        b'content-disposition: form-data; name="files"; filename="' + name.encode() + b'"\r\n\r\n' + data
        for name, data in files
    ]
    parts += [
        f'content-disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()
    ]
    body = b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + BOUNDARY + b"--\r\n"
    return post(body, "multipart/form-data; boundary=" + BOUNDARY.decode())


def post(body: bytes, kind: str = "application/json", *headers: str, size: int | None = None) -> bytes:
    """A request to /run with a body."""
    lines = ["POST /run HTTP/1.1", "host: x", f"content-type: {kind}", *headers]
    if not headers:
        lines.append(f"content-length: {len(body) if size is None else size}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """A connection that is kept, and opened again if the server has closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request. Return the status and the body of the answer."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(request)
        return await answer(reader)

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer: its status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", head)
    return int(head[9:12]), await reader.readexactly(int(size[1])) if size else await reader.read()


# ---- the load


class Load:
    """Clients that ask for one file after the other, and compare each answer."""

    def __init__(self, port: int, requests: Sequence[bytes], expected: Sequence[str]) -> None:
        self.port, self.requests, self.expected = port, requests, expected
        self.next, self.right, self.wrong, self.cut = count(), 0, list[str](), 0
        self.stop = False

    async def client(self) -> None:
        """Ask until `stop`. An end of the connection before an answer counts as cut."""
        connection = Connection(self.port)
        while not self.stop:
            at = next(self.next) % len(self.requests)
            try:
                status, body = await connection.ask(self.requests[at])
            except (OSError, asyncio.IncompleteReadError):
                self.cut += 1
                break
            if status == 200 and json.loads(body)["outputs"][0].get("output") == self.expected[at]:
                self.right += 1
            else:
                self.wrong.append(f"{status} {body[:200]!r}, not {self.expected[at]!r}")
        connection.close()


async def run_load(server: Server, load: Load, clients: int, seconds: float) -> dict[str, Any]:
    """Run clients for some seconds. Memory is taken after 1/10 of them, in the middle and at the end."""
    started, used, own = time.monotonic(), server.cpu_seconds, time.process_time()
    tasks = [asyncio.create_task(load.client()) for _ in range(clients)]
    memory = []
    for share in (0.1, 0.45, 0.45):
        await asyncio.sleep(seconds * share)
        memory.append(server.megabytes)
    load.stop = True
    await asyncio.gather(*tasks)
    made, spent = max(1, load.right), time.monotonic() - started
    return {
        "answers": load.right,
        "wrong": len(load.wrong),
        "lost": load.cut,
        "per_second": load.right / spent,
        "cpu_ms": 1000 * (server.cpu_seconds - used) / made,
        "client_cpu_ms": 1000 * (time.process_time() - own) / made,
        "megabytes": memory,
    }


def plain_run(pipeline: Pipeline, files: Sequence[str]) -> tuple[float, float]:
    """Seconds and processor seconds a file of `Pipeline.run` in batches of 64. Few files are taken several times."""
    files = [*files] * -(-64 // len(files))
    started, used = time.monotonic(), time.process_time()
    pipeline.run(files, batch_size=64)
    return (time.monotonic() - started) / len(files), (time.process_time() - used) / len(files)


# ---- hostile requests


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that promises side x side pixels."""
    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in chunks
    )


def hostile_requests(whole: bytes) -> dict[str, tuple[bytes, int]]:
    """Requests by name, each with the status that it deserves. `whole` is a file that can be read."""
    noise = np.random.default_rng(0).bytes(5000)
    gray = io.BytesIO()
    Image.new("L", (1, 2000)).save(gray, "PNG")
    deep = b'{"inputs": ' + b"[" * 100_000
    files = {
        "noise": noise,
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "bomb": bomb(60_000),
        "long": gray.getvalue(),
        "playlist": b"#EXTM3U\nfile:///etc/passwd\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run\n",
    }
    found = {name: (form((f"{name}.png", data)), 422) for name, data in files.items()}
    chunked = "transfer-encoding: chunked"
    return found | {
        "path": (post(b'{"inputs": ["/etc/passwd"], "modality": "image"}'), 422),
        "path as file": (form(("../../../etc/passwd", noise)), 422),
        "field": (form(("a.png", whole), path="/etc/passwd"), 422),
        "option": (form(("a.png", whole), options='{"num_beam": 2}'), 422),
        "beams": (form(("a.png", whole), options='{"num_beams": 1000000}'), 422),
        "batch": (form(("a.png", whole), options='{"batch_size": 1e18}'), 422),
        "seed": (form(("a.png", whole), seed="-1"), 422),
        "deep": (post(deep), 400),
        "json": (post(b'{"inputs": ["a"'), 400),
        "types": (post(b'{"inputs": "a"}'), 422),
        "many files": (form(*[("a.png", b"")] * 65), 413),
        "many texts": (post(json.dumps({"inputs": ["a"] * 65}).encode()), 413),
        "boundary": (post(b"a", "multipart/form-data"), 400),
        "no form": (post(noise, "multipart/form-data; boundary=x"), 400),
        "kind": (post(b"inputs=a", "application/x-www-form-urlencoded"), 415),
        "promise": (post(b"", size=10**12), 413),
        "huge": (post(b"a" * (3 << 20)), 413),
        "huge, chunked": (post(b"300000\r\n" + b"a" * (3 << 20), "application/json", chunked), 413),
        "chunk": (post(b"zz\r\n", "application/json", chunked), 400),
        "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        "header": (b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 70_000 + b"\r\n\r\n", 400),
        "place": (b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        "method": (b"DELETE /run HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        "slow": (form(("a.png", whole))[:-9], 408),
        "slow header": (b"POST /run HTTP/1.1\r\nhost:", 408),
    }


async def hostile(port: int, requests: dict[str, tuple[bytes, int]], bar: Any) -> dict[str, Any]:
    """Send them all, 16 at once. Return the statuses, and what was answered in another way than expected."""
    statuses, odd, gate = Counter[int](), list[str](), asyncio.Semaphore(16)

    async def one(name: str, request: bytes, expected: int) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            try:
                status, body = await asyncio.wait_for(answer(reader), 60)
            except (OSError, EOFError, TimeoutError) as error:
                status, body = 0, repr(error).encode()
            statuses[status] += 1
            if status != expected or not reason(body):
                odd.append(f"{name}: {status} {body[:200]!r}")
            writer.close()
            bar.advance()

    names = [*requests]
    await asyncio.gather(*(one(name, *requests[name]) for name in (names * HOSTILE)[:HOSTILE]))
    return {"requests": sum(statuses.values()), "statuses": dict(sorted(statuses.items())), "odd": sorted({*odd})}


def reason(body: bytes) -> str:
    """The reason that an answer gives: of the request, or of its first item."""
    try:
        told = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()
    return str(told.get("error") or told.get("detail") or told["outputs"][0].get("error", ""))


# ---- all of it


def kill_a_client(port: int, request: bytes) -> None:
    """Start a process with eight requests under way, and kill it."""
    code = (
        "import socket, sys, time\nrequest = sys.stdin.buffer.read()\n"
        f"held = [socket.create_connection(('127.0.0.1', {port})) for _ in range(8)]\n"
        "[one.sendall(request if at % 2 else request[:-9]) for at, one in enumerate(held)]\n"
        "print(flush=True)\ntime.sleep(60)"
    )
    client = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(request)
    client.stdin.close()
    client.stdout.readline()
    client.kill()
    client.wait()


async def besides(load: Load, clients: int, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do work while clients ask. Return its result."""
    tasks = [asyncio.create_task(load.client()) for _ in range(clients)]
    result = await work()
    load.stop = True
    await asyncio.gather(*tasks)
    return result


def measure(pipeline: str, files: Sequence[str], clients: int, seconds: float) -> dict[str, Any]:
    told = subprocess.run([*C3, "run", pipeline, *files, "--json"], check=True, stdout=subprocess.PIPE).stdout
    captions = {row["input"]: row["output"] for row in json.loads(told)["outputs"]}
    expected = [captions[file] for file in files]
    requests = [form((Path(file).name, Path(file).read_bytes())) for file in files]
    loaded = load_pipeline(pipeline)
    loaded.run(files[:64])
    with served(pipeline) as server:
        before = plain_run(loaded, files)
        load = Load(server.port, requests, expected)
        figures = asyncio.run(run_load(server, load, clients, seconds))
        plain, plain_cpu = map(mean, zip(before, plain_run(loaded, files), strict=True))
        result: dict[str, Any] = {
            "pipeline": pipeline,
            "files": len(files),
            "clients": clients,
            "seconds": seconds,
            "load": figures,
        }
        result |= {"plain_per_second": 1 / plain, "share": figures["per_second"] * plain}
        result |= {"plain_cpu_ms": 1000 * plain_cpu, "cpu_share": 1000 * plain_cpu / figures["cpu_ms"]}
        last = Load(server.port, requests, expected)

        async def end() -> None:
            await asyncio.sleep(3)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.process.wait, 120)

        asyncio.run(besides(last, clients, end))
        result["end"] = {"status": server.process.returncode, "answers": last.right, "wrong": len(last.wrong)}
    with served(pipeline, "--max-body", "2", "--max-seconds", "8") as server:
        load = Load(server.port, requests, expected)
        with progress_bar("hostile requests", total=HOSTILE) as bar:

            async def attack() -> Any:
                told = await hostile(server.port, hostile_requests(Path(files[0]).read_bytes()), bar)
                for _ in range(5):
                    await asyncio.to_thread(kill_a_client, server.port, requests[0])
                return told

            result["hostile"] = asyncio.run(besides(load, 4, attack))
        result["others"] = {"answers": load.right, "wrong": load.wrong[:3], "lost": load.cut}
        result["hostile"]["megabytes"] = server.megabytes
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", default="playground/captioner")
    parser.add_argument("--inputs", help="a glob of pictures; by default 256 of the playground")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.inputs is None:
            World(seed=5).export(folder, "image", "test", 256)
        files = sorted(glob(arguments.inputs or f"{folder}/**/*.png", recursive=True))
        result = measure(arguments.pipeline, files, arguments.clients, arguments.seconds)
    if arguments.json:
        print(json.dumps(result))
        return
    load, end, hostile, others = (result[name] for name in ("load", "end", "hostile", "others"))
    print(f"{arguments.pipeline}, {len(files)} files, {arguments.clients} clients, {os.cpu_count()} cores")
    print(
        f"answers a second: {load['per_second']:.1f}, of {load['answers']}: {load['wrong']} wrong, {load['lost']} lost"
    )
    print(f"Pipeline.run, files a second: {result['plain_per_second']:.1f}; share: {result['share']:.2f}")
    print(
        f"processor time: {load['cpu_ms']:.1f} ms an answer; Pipeline.run {result['plain_cpu_ms']:.1f} ms a file;",
        end=" ",
    )
    print(f"share: {result['cpu_share']:.2f}; clients {load['client_cpu_ms']:.2f} ms an answer")
    print(f"megabytes at start, middle, end: {', '.join(f'{one:.0f}' for one in load['megabytes'])}")
    print(f"SIGTERM under load: status {end['status']}, {end['answers']} answers, {end['wrong']} wrong")
    print(
        f"hostile requests: {hostile['requests']}, by status {hostile['statuses']}; {hostile['megabytes']:.0f} MB after"
    )
    print(*hostile["odd"], sep="\n", end="\n" if hostile["odd"] else "")
    print(f"others meanwhile: {others['answers']} answers, {len(others['wrong'])} wrong, {others['lost']} lost")


if __name__ == "__main__":
    main()

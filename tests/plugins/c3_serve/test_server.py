"""`c3 serve` as its users meet it: a process that answers over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from c3core import BadItem, Pipeline, load_pipeline
from tests.helpers.command_line import fails
from tests.helpers.spaces import write_mixed_files

Upload = tuple[str, tuple[str, bytes]]


class Server(NamedTuple):
    process: subprocess.Popen[str]
    client: httpx.Client
    folder: Path  # of its temporary files

    def run(self, *files: Upload, **more: Any) -> httpx.Response:
        return self.client.post("/run", files=files, **more)

    def figure(self, name: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        return float(next((line.rsplit(" ", 1)[1] for line in lines if line.startswith(f"{name} ")), 0))

    def connect(self) -> socket.socket:
        return socket.create_connection((self.client.base_url.host, self.client.base_url.port or 80))

    def wait_for(self, name: str, value: float) -> None:
        for _ in range(600):
            if self.figure(name) == value:
                return
            time.sleep(0.05)
        pytest.fail(f"{name} is {self.figure(name)}, not {value}")


Serve = Callable[..., Server]


def command(*words: object) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from c3core.cli import main; main()",
        "serve",
        "playground/captioner",
        *map(str, words),
    ]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`serve("--max-items", 4, C3_SERVE_TOKEN="…")` starts a server, which ends with the module."""
    with ExitStack() as stack:

        def start(*options: object, headers: dict[str, str] | None = None, **environment: str) -> Server:
            folder = tmp_path_factory.mktemp("temporary")
            variables = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder), **environment}
            process = subprocess.Popen(command("--port", 0, *options), env=variables, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None
            told = stack.enter_context(process.stdout).readline()
            assert told.startswith("playground/captioner takes text, image, video, audio at http://127.0.0.1:")
            client = httpx.Client(base_url=told.rsplit(" ", 1)[1].strip(), timeout=120, headers=headers)
            return Server(process, stack.enter_context(client), folder)

        yield start


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("--max-items", 8, "--max-body", 1)


@pytest.fixture(scope="module")
def captioner() -> Pipeline:
    return load_pipeline("playground/captioner")


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mixed_files(tmp_path_factory.mktemp("mix"))


def upload(path: Path, name: str | None = None) -> Upload:
    return ("files", (name or path.name, path.read_bytes()))


def request_of(server: Server, *files: Upload) -> bytes:
    """The bytes of a request, for a client that breaks the rules."""
    request = server.client.build_request("POST", "/run", files=files)
    head = ["POST /run HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items()), "", ""]
    return "\r\n".join(head).encode() + request.read()


def test_files_of_several_modalities_get_what_a_run_of_them_gives(
    server: Server, captioner: Pipeline, mix: Path
) -> None:
    paths = [mix / "b.png", mix / "a.wav", mix / "b.png"]
    answer = server.run(*map(upload, paths))
    assert answer.status_code == 200
    assert [made["output"] for made in answer.json()["outputs"]] == captioner.run(paths)


def test_a_bad_file_has_its_own_error_and_the_others_their_outputs(
    server: Server, captioner: Pipeline, mix: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((mix / "b.png").read_bytes()[:60])
    (bad,) = captioner.run([broken])
    assert isinstance(bad, BadItem)
    answer = server.run(upload(broken), upload(mix / "b.png"), upload(mix / "b.png", "notes.xyz"))
    assert answer.status_code == 200
    first, second, third = answer.json()["outputs"]
    assert first == {"error": bad.why}
    assert second == {"output": captioner.run(mix / "b.png")}
    assert "does not tell its modality" in third["error"]
    only = server.run(upload(broken), upload(broken, "../../etc/passwd"))
    assert only.status_code == 422
    assert only.json()["outputs"][0] == first
    assert str(server.folder) not in only.text
    assert not [*server.folder.glob("*/*")]


def test_the_name_of_a_file_may_be_odd_and_the_request_may_name_its_modality(server: Server, mix: Path) -> None:
    names = ["b.png", "../../b.PNG", "b\\c:d.png", "ä\n.png", "." * 300 + ".png"]
    answer = server.run(*(upload(mix / "b.png", name) for name in names))
    assert len({made["output"] for made in answer.json()["outputs"]}) == 1
    named = server.run(upload(mix / "b.png", "photo"), data={"modality": "image"})
    assert named.json()["outputs"][0] == answer.json()["outputs"][0]


def test_strings_are_sentences_and_never_paths(server: Server, captioner: Pipeline, mix: Path) -> None:
    sentences = ["a red ring", str(mix / "b.png"), "/etc/passwd", "   "]
    answer = server.client.post("/run", json={"inputs": sentences, "modality": "text"})
    *outputs, last = answer.json()["outputs"]
    assert [made["output"] for made in outputs] == captioner.run(sentences[:3], modality="text")
    assert last == {"error": "the text is empty"}


def test_requests_that_come_together_get_what_each_gets_by_itself(
    server: Server, captioner: Pipeline, mix: Path
) -> None:
    options = {"do_sample": True, "temperature": 2.0, "num_beams": 1, "scores": True}
    expected = {
        (seed, count): captioner.run([mix / "b.png"] * count, seed=seed, **options)
        for seed in (0, 7)
        for count in (1, 3)
    }

    def ask(call: tuple[int, int]) -> list[dict[str, Any]]:
        seed, count = call
        files = [upload(mix / "b.png")] * count
        return server.run(*files, data={"seed": seed, "options": json.dumps(options)}).json()["outputs"]

    calls = [*expected] * 5
    with ThreadPoolExecutor(len(calls)) as pool:
        for call, outputs in zip(calls, pool.map(ask, calls), strict=True):
            assert [made["output"] for made in outputs] == expected[call]
            assert outputs[0]["score"] == pytest.approx(expected[call][0].score, abs=1e-4)
    assert server.figure("c3_batch_size_sum") > server.figure("c3_batch_size_count")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"json": {"inputs": ["a"], "modality": "image"}}, 422, "JSON takes text, not 'image'. Send files"),
        ({"json": {"inputs": "a"}}, 422, "inputs: Input should be a valid array"),
        ({"json": {"inputs": []}}, 422, "at least 1 item"),
        ({"json": {"inputs": ["a"] * 9}}, 413, "the request has 9 items. Send at most 8."),
        ({"json": {"inputs": ["a"], "path": "/etc/passwd"}}, 422, "path: Extra inputs are not permitted"),
        ({"json": {"inputs": ["a"], "seed": 2**32}}, 422, "seed"),
        ({"json": {"inputs": ["a"], "options": {"num_beam": 2}}}, 422, "did you mean num_beams?"),
        ({"json": {"inputs": ["a"], "options": {"num_beams": 10**6}}}, 422, "num_beams may be at most 100"),
        ({"json": {"inputs": ["a"], "options": {"stop_strings": ["a"] * 101}}}, 422, "stop_strings may have a length of at most 100"),
        ({"json": {"inputs": ["a" * 10_001]}}, 422, "longer than 10,000 characters"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "Invalid JSON"),
        ({"content": b"[" * 99_999, "headers": {"content-type": "application/json"}}, 400, "Invalid JSON"),
        ({"content": b"a" * 2**21, "headers": {"content-type": "application/json"}}, 413, "more than 1,048,576 bytes"),
        ({"content": (b"a" * 2**16 for _ in range(32)), "headers": {"content-type": "application/json"}}, 413, "bytes"),
        ({"content": b"a", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": b"a", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "Invalid multipart"),
        ({"data": {"inputs": "a"}}, 415, "multipart/form-data"),
        ({"files": [("files", (None, b"/etc/passwd"))]}, 422, "each with a file name"),
        ({"files": [("file", ("a.png", b""))]}, 422, "did you mean files?"),
        ({"files": [("files", ("a.png", b""))] * 9}, 413, "Maximum number of files is 8"),
        ({"files": [("files", ("a.png", b""))], "data": {"modality": "text"}}, 422, "a file here is image or video"),
        ({"files": [("files", ("a.png", b""))], "data": {"options": "{"}}, 422, "options: Invalid JSON"),
        ({"files": [("files", ("a.png", b""))]}, 422, "the file is empty"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_with_the_reason(
    server: Server, body: dict[str, Any], status: int, says: str
) -> None:
    answer = server.client.post("/run", **body)
    assert answer.status_code == status
    told = answer.json()
    assert says in (told["error"] if "error" in told else told["outputs"][0]["error"])
    assert not [*server.folder.glob("*/*")]


def test_clients_that_go_away_harm_nobody(server: Server, mix: Path) -> None:
    request = request_of(server, upload(mix / "b.png"))
    for part in (request, request[:-20], request[:30]):
        with server.connect() as connection:
            connection.sendall(part)
    assert server.run(upload(mix / "b.png")).status_code == 200
    server.wait_for("c3_requests_in_progress", 0)
    assert not [*server.folder.glob("*/*")]


def test_it_tells_what_it_serves_and_does(server: Server) -> None:
    health = server.client.get("/health").json()
    assert health == {
        "status": "ok",
        "pipeline": "playground/captioner",
        "takes": ["image", "video", "audio", "text"],
        "makes": "text",
        "media_type": "text/plain",
    }
    api = server.client.get("/openapi.json").json()
    bodies = api["paths"]["/run"]["post"]["requestBody"]["content"]
    fields = [bodies[kind]["schema"]["properties"] for kind in ("multipart/form-data", "application/json")]
    models = [api["components"]["schemas"][name]["properties"] for name in ("Answer", "Made", "Problem", "Health")]
    described = [field for model in (*fields, *models[1:]) for field in model.values()]
    assert len(described) > 10
    assert all(field["description"] for field in described)
    assert {"408", "413", "429", "504"} <= api["paths"]["/run"]["post"]["responses"].keys()
    for place, status in {"/docs": 404, "/": 404, "/run": 405}.items():
        refused = server.client.get(place)
        assert refused.status_code == status
        assert "Post to /run" in refused.json()["error"]
    before = server.figure('c3_requests_total{status="200"}')
    server.client.post("/run", json={"inputs": ["a red ring"]})
    assert server.figure('c3_requests_total{status="200"}') == before + 1
    assert server.figure("c3_request_seconds_count") > before
    assert server.figure("c3_queue_length") == 0


def test_slow_and_many_and_strange_clients_are_refused(serve: Serve, mix: Path) -> None:
    server = serve(
        "--max-seconds", 10, "--max-queue", 1, C3_SERVE_TOKEN="tökén", headers={"authorization": "Bearer tökén".encode()}
    )  # fmt: skip
    request = request_of(server, upload(mix / "b.png"))
    with server.connect() as slow:
        slow.sendall(request[:-20])
        server.wait_for("c3_requests_in_progress", 1)
        busy = server.run(upload(mix / "b.png"))
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
    for given in (None, "Bearer token", "Basic tökén", "tökén"):
        headers = {} if given is None else {"authorization": given.encode()}
        for path in ("/run", "/metrics"):
            refused = httpx.request(
                "POST" if path == "/run" else "GET", server.client.base_url.join(path), headers=headers
            )
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert httpx.get(server.client.base_url.join("/health")).status_code == 200
    assert server.run(upload(mix / "b.png")).status_code == 200


def test_at_sigterm_what_was_taken_is_answered(serve: Serve, mix: Path) -> None:
    server = serve()
    request = request_of(server, upload(mix / "b.png"))
    expected = server.run(upload(mix / "b.png")).content
    with ExitStack() as stack:
        taken = [stack.enter_context(server.connect()) for _ in range(8)]
        for connection in taken:
            connection.sendall(request[:-20])
        server.wait_for("c3_requests_in_progress", 8)
        server.process.send_signal(signal.SIGTERM)
        for connection in taken:
            connection.sendall(request[-20:])
        for connection in taken:
            answer = b"".join(iter(lambda: connection.recv(4096), b""))  # noqa: B023
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(expected)
    assert server.process.wait(60) == 0
    assert not [*server.folder.iterdir()]


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        why = f"error: port {port} of 127.0.0.1 is in use. Choose another one: --port, or 0 for a free one.\n"
        fails("serve", "playground/captioner", "--port", port, status=2, says=why)


def test_an_address_that_is_none_and_an_empty_token_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    fails("serve", "playground/captioner", "--host", "no.such.host.invalid", status=2, says="cannot listen at no.such")
    monkeypatch.setenv("C3_SERVE_TOKEN", " ")
    fails("serve", "playground/captioner", status=2, says="C3_SERVE_TOKEN is empty")

"""Run the server: open the port, load the pipeline, and end when a signal says so."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn import Config, Server

from c3_serve.app import create_app
from c3_serve.limits import Limits
from c3_serve.monitoring import Figures
from c3_serve.reading import CallReader
from c3_serve.runs import Runs
from c3_serve.worker import Worker
from c3core import NotInstalled, Pipeline, WrongCall, load_pipeline
from c3core.errors import warn

TOKEN = "C3_SERVE_TOKEN"
LOOPBACK = ("127.", "::1")
HEADERS = 10.0  # seconds that a client has for the headers of a request
SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    b'{"error": "the headers did not arrive in time."}'
)


def run_server(
    name: str, *, host: str, port: int, device: str, precision: str, batch_size: int, limits: Limits
) -> None:
    """Serve the pipeline `name` until SIGTERM or Ctrl-C. What was taken before is answered."""
    token = os.environ.get(TOKEN)
    if token is not None and not token.strip():
        raise WrongCall(f"{TOKEN} is empty. Give it a value, or unset it.")
    with open_port(host, port) as listener:
        address, port = listener.getsockname()[:2]
        if token is None and not address.startswith(LOOPBACK):
            warn(f"whoever reaches {address}:{port} may use the server. Set {TOKEN}.")
        pipeline = load_pipeline(name, device=device, precision=precision)
        modalities = _ready(pipeline)
        where = f"http://{f'[{address}]' if ':' in address else address}:{port}"
        figures = Figures()
        with TemporaryDirectory(prefix="c3-serve-") as folder:
            worker = Worker(pipeline, Path(folder), figures, batch_size=batch_size)
            reader = CallReader(pipeline, modalities, limits, Path(folder))
            app = create_app(Runs(reader, worker, limits, figures), name, token)
            logging.getLogger("python_multipart").setLevel(logging.ERROR)  # broken forms are of clients
            worker.start()
            gc.freeze()  # or each full collection would go through the libraries' million objects
            warnings.simplefilter("ignore")  # of items: those who sent them do not see it
            signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again after its end
            _Server(app, limits, f"{name} takes {', '.join(modalities)} at {where}").run(sockets=[listener])


def open_port(host: str, port: int) -> socket.socket:
    """Listen. Clients that come before the pipeline is loaded wait. Raises `WrongCall` if the port is in use."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} of {host} is in use. Choose another one: --port, or 0 for a free one."
        else:
            why = f"cannot listen at {host}, port {port}: {error.strerror}. Choose others: --host, --port."
        raise WrongCall(why) from None


def _ready(pipeline: Pipeline) -> list[str]:
    """Load the encoders. Return the modalities that can be served, and warn of those whose packages are missing."""
    ready, missing = [], None
    for modality in pipeline.modalities:
        try:
            pipeline.encoder(modality).reader()
        except NotInstalled as error:
            missing = error
            warn(f"{modality} is not served: {error}")
        else:
            ready.append(modality)
    if missing and not ready:
        raise missing
    return ready


class _Server(Server):
    """uvicorn, with limits for clients that send no whole request, or do not read the answer."""

    def __init__(self, app: Any, limits: Limits, ready: str) -> None:
        super().__init__(
            Config(
                app,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=int(limits.seconds) + 5,
            )
        )
        self._ready, self._longest = ready, 2 * limits.seconds + HEADERS
        self._since: WeakKeyDictionary[Any, tuple[Any, float]] = WeakKeyDictionary()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        print(self._ready, flush=True)

    async def on_tick(self, counter: int) -> bool:
        """Once a second, close connections that have been in one state for too long."""
        if counter % 10 == 0:
            for connection in list(self.server_state.connections):
                self._check(connection, time.monotonic())
        return await super().on_tick(counter)

    def _check(self, connection: Any, now: float) -> None:
        cycle = connection.cycle
        state = (id(cycle), cycle is None or cycle.response_complete)
        before, since = self._since.setdefault(connection, (state, now))
        if state != before:
            self._since[connection] = (state, now)
        elif state[1] and now - since > HEADERS:
            if cycle is None:
                connection.transport.write(SLOW)
            connection.transport.close()
        elif now - since > self._longest:
            connection.transport.abort()

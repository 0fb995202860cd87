"""The routes of the server."""

from __future__ import annotations

import hmac
import mimetypes
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from c3_serve.limits import Refused
from c3_serve.models import Answer, FilesRequest, Health, Problem, TextRequest
from c3_serve.runs import Runs
from c3core import __version__

REFUSALS = {
    400: "The body cannot be parsed.",
    401: "The bearer token is missing or wrong.",
    408: "The request did not arrive in time.",
    413: "The request has too many bytes or items.",
    415: "The body is neither a form nor JSON.",
    422: "Options, fields or modality are wrong.",
    429: "Too many requests at once. Retry-After says when to try again.",
    503: "The server lacks memory for the request, or is stopping.",
    504: "The outputs were not made in time.",
}
BODIES = {
    "multipart/form-data": {"schema": FilesRequest.model_json_schema()},
    "application/json": {"schema": TextRequest.model_json_schema()},
}

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def create_app(runs: Runs, name: str, token: str | None = None) -> FastAPI:
    """Return the application that serves the pipeline `name`. With a `token`, all but /health asks for it."""
    decoder, figures = runs.worker.pipeline.decoder, runs.figures
    takes = [*runs.reader.media, *runs.reader.texts]
    makes = mimetypes.guess_type(f"output{decoder.suffix or '.txt'}")[0] or "application/octet-stream"

    async def check_token(given: Credentials) -> None:
        if token is None or (given and hmac.compare_digest(given.credentials.encode("latin-1"), token.encode())):
            return
        raise Refused(401, "give the header Authorization: Bearer TOKEN.", {"WWW-Authenticate": "Bearer"})

    app = FastAPI(
        title=f"c3 serve {name}",
        version=__version__,
        description=f"Takes {', '.join(takes)}. Makes {decoder.modality} ({makes}).",
        docs_url=None,  # its page loads scripts from the network
        redoc_url=None,
    )
    guarded = [Depends(check_token)] if token is not None else []
    refusals: dict[int | str, Any] = {code: {"model": Problem, "description": why} for code, why in REFUSALS.items()}

    @app.exception_handler(Refused)
    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse({"error": error.why}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def refuse_place(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        place = ". Post to /run, or get /health, /metrics or /openapi.json." if error.status_code in (404, 405) else ""
        return JSONResponse({"error": error.detail + place}, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def forget(_: Request, __: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it; the figures count it

    @app.post(
        "/run",
        summary="Make one output of each item",
        response_model=Answer,
        responses=refusals,
        openapi_extra={"requestBody": {"required": True, "content": BODIES}},
        dependencies=guarded,
    )
    async def run(request: Request) -> Response:
        """Send files as a form, or sentences as JSON. An item that cannot be read has an error in its place.

        The status is 422 if no item could be read.
        """
        made = await runs.answer(request)
        return JSONResponse({"outputs": made}, 422 if all("error" in one for one in made) else 200)

    @app.get("/health", summary="Tell what is served", response_model=Health)
    async def health() -> Response:
        """Answer as long as requests are answered."""
        about = {"pipeline": name, "takes": takes, "makes": decoder.modality, "media_type": makes}
        if not runs.worker.is_alive():
            raise Refused(503, "the thread that owns the model has ended.")
        return JSONResponse({"status": "ok", **about})

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response, dependencies=guarded)
    async def metrics() -> Response:
        """Return requests by status, items, the length of the queue, sizes of batches, and seconds of requests."""
        return Response(figures.text(), media_type=figures.content_type)

    app.add_middleware(_Counted, runs=runs)
    return app


class _Counted:
    """Counts the requests to /run by the status of their answers, and their seconds."""

    def __init__(self, app: Callable[..., Awaitable[None]], runs: Runs) -> None:
        self.app, self.figures = app, runs.figures

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/run":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def noted(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.figures.requests.labels(status).inc()
            self.figures.seconds.observe(time.monotonic() - started)

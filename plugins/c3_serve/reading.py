"""Read a request: its items and options, within the limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field, Json, ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from c3_serve.limits import LONGEST_TEXT, Limits, Refused
from c3_serve.models import RunOptions, TextRequest
from c3_serve.uploads import Item, Uploads
from c3core import Pipeline
from c3core.contracts import GenerationOptions
from c3core.errors import C3Error, lines_of, near

FIELDS = ("files", "modality", "options", "seed")

Receive = Callable[[], Awaitable[Any]]
Model = TypeVar("Model", bound=BaseModel)


class FormFields(RunOptions):
    """The fields of a form beside its files."""

    options: Json[dict[str, Any]] = Field({})
    modality: str | None = None


@dataclass
class Call:
    """What a request asks for."""

    items: list[Item]
    options: GenerationOptions
    seed: int
    are_files: bool

    def remove_files(self) -> None:
        """Remove the temporary files."""
        for item in self.items if self.are_files else ():
            Path(item.source).unlink(missing_ok=True)


class CallReader:
    """Reads requests for a pipeline that takes `modalities`."""

    def __init__(self, pipeline: Pipeline, modalities: Sequence[str], limits: Limits, folder: Path) -> None:
        self.decoder, self.limits = pipeline.decoder, limits
        self.texts = [name for name in modalities if pipeline.encoder(name).reader().takes_text]
        self.media = [name for name in modalities if name not in self.texts]
        self.uploads = Uploads(folder, self.media)
        self.own_options: GenerationOptions = self.decoder.check_options(None)

    async def read(self, request: Request) -> Call:
        """Return what a request asks for. Raises `Refused` with status 400, 413, 415 or 422."""
        size = request.headers.get("content-length", "")
        if size.isdecimal() and int(size) > self.limits.body:
            raise self._too_large()
        limited = Request(request.scope, self._limited(request.receive))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return self._texts(await limited.body())
        if kind == "multipart/form-data":
            return await self._files(limited)
        raise Refused(415, "send files as multipart/form-data, or sentences as application/json.")

    def _limited(self, receive: Receive) -> Receive:
        """Count the bytes that come in, also of a body that does not say its length."""
        seen = 0

        async def counted() -> Any:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limits.body:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Refused:
        return Refused(413, f"the request has more than {self.limits.body:,} bytes. Send fewer or smaller items.")

    def _texts(self, body: bytes) -> Call:
        asked = _checked(TextRequest, body)
        if asked.modality not in self.texts:
            takes = f"JSON takes {' or '.join(self.texts)}" if self.texts else "the pipeline takes no sentences"
            files = " Send files as multipart/form-data, in the field files." if self.media else ""
            raise Refused(422, f"{takes}, not {asked.modality[:99]!r}.{files}")
        self._check_count(len(asked.inputs))
        why = f"the text is longer than {LONGEST_TEXT:,} characters"
        items = [Item(text, asked.modality, why if len(text) > LONGEST_TEXT else "") for text in asked.inputs]
        return Call(items, self._options(asked.options), asked.seed, are_files=False)

    async def _files(self, request: Request) -> Call:
        try:
            form = await request.form(max_files=self.limits.items, max_fields=len(FIELDS))
        except HTTPException as error:  # of the parser
            too_much = "aximum" in error.detail
            raise Refused(413 if too_much else 400, error.detail) from None
        except FormParserError:  # that older releases of starlette let through
            raise Refused(400, "Invalid multipart data.") from None
        try:
            return await self._uploaded(form)
        finally:
            await form.close()

    async def _uploaded(self, form: FormData) -> Call:
        for name in form:
            if name not in FIELDS:
                raise Refused(422, f"a form has no field {name[:99]!r}: {near(name, FIELDS)}")
        uploads = [upload for upload in form.getlist("files") if isinstance(upload, UploadFile)]
        if not uploads or len(uploads) < len(form.getlist("files")):
            raise Refused(422, "send one or more files in the field files, each with a file name.")
        asked = _checked(FormFields, {name: form[name] for name in FIELDS[1:] if name in form})
        if not self.media:
            raise Refused(422, "the pipeline takes no files. Send sentences as application/json.")
        if asked.modality is not None and asked.modality not in self.media:
            raise Refused(422, f"a file here is {' or '.join(self.media)}, not {asked.modality[:99]!r}.")
        call = Call([], self._options(asked.options), asked.seed, are_files=True)
        try:
            for upload in uploads:
                call.items.append(await self.uploads.add(upload, asked.modality))
        except BaseException:
            call.remove_files()
            raise
        return call

    def _options(self, asked: dict[str, Any]) -> GenerationOptions:
        if not asked:
            return self.own_options
        try:
            options: GenerationOptions = self.decoder.check_options(asked)
        except C3Error as error:
            raise Refused(422, " ".join(lines_of(error))) from None
        for name, value in options:
            own = getattr(self.own_options, name)
            most = max(self.limits.option, own if isinstance(own, int) else 0)
            if isinstance(value, int) and value > most:
                raise Refused(422, f"option {name} may be at most {most} here, got {value}.")
            if isinstance(value, str | list) and len(value) > self.limits.option and value != own:
                raise Refused(422, f"option {name} may have a length of at most {self.limits.option} here.")
        return options

    def _check_count(self, items: int) -> None:
        if items > self.limits.items:
            raise Refused(413, f"the request has {items} items. Send at most {self.limits.items}.")


def _checked(model: type[Model], given: bytes | dict[str, Any]) -> Model:
    """Validate JSON or the fields of a form. Raises `Refused` with the first thing that is wrong."""
    try:
        return model.model_validate_json(given) if isinstance(given, bytes) else model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:99]
        status = 400 if first["type"] == "json_invalid" and not place else 422
        raise Refused(status, f"{f'{place}: ' if place else ''}{first['msg']}.") from None

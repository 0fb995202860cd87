"""Files that clients send, in a private folder."""

from __future__ import annotations

import mimetypes
import re
import shutil
from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePath

from starlette.datastructures import UploadFile

from c3core.data import guess_modality

SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
SMALL = 2**20  # bytes of a file that is written at once; a thread writes a larger one


@dataclass
class Item:
    """One item of a request: a sentence or the path of a temporary file. `error` says why it cannot be run."""

    source: str
    modality: str
    error: str = ""


class Uploads:
    """Writes files under names of the server's own. Of a client's name only a plain suffix is kept."""

    def __init__(self, folder: Path, media: Sequence[str]) -> None:
        self.folder, self.media = folder, media
        self._numbers = count()

    async def add(self, upload: UploadFile, modality: str | None) -> Item:
        """Write a file. Its modality is guessed by its suffix, unless it is given or only one is taken."""
        path = self.folder / f"{next(self._numbers)}{_suffix(upload)}"
        if (upload.size or 0) <= SMALL:
            _write(upload, path)
        else:
            await to_thread(_write, upload, path)
        guessed = modality or (self.media[0] if len(self.media) == 1 else guess_modality(path, self.media))
        if guessed is None:
            say = f"say its `modality` ({', '.join(self.media)}), or give its name the usual suffix"
            return Item(str(path), "", f"its name does not tell its modality: {say}")
        return Item(str(path), guessed)


def _suffix(upload: UploadFile) -> str:
    suffix = PurePath(upload.filename or "").suffix.lower()
    if SUFFIX.fullmatch(suffix):
        return suffix
    return mimetypes.guess_extension(upload.content_type or "") or ""


def _write(upload: UploadFile, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)

"""Captions as COCO's authors give them: `coco:captions_val2017.json?images=FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from c3_datasets.argument import TableOptions, parse
from c3_datasets.captions import table_of
from c3_datasets.files import file_in, folder_in, read_format, require_one
from c3core.data import Table
from c3core.errors import CorruptFile

FORM = "coco:captions_val2017.json?images=FOLDER"


class Picture(BaseModel):
    """One picture."""

    id: int | str
    file_name: str


class Annotation(BaseModel):
    """One caption."""

    image_id: int | str
    caption: str


class Captions(BaseModel):
    """The file as a whole."""

    images: list[Picture]
    annotations: list[Annotation]


class Options(TableOptions):
    """What may follow the `?`."""

    images: str | None = None


def table(argument: str, *, folder: Path) -> Table:
    """The pictures of a file and their captions; without `images`, only the captions.

    A picture that is missing is left to the reader. Raises `C3Error` for a file of another format, and for a folder
    that holds none of the pictures.
    """
    name, options = parse(argument, Options, table="coco", form=FORM)
    path = file_in(folder, name)
    found = read_format(path, Captions, "file of COCO's captions")
    captions: dict[int | str, list[str]] = {picture.id: [] for picture in found.images}
    for annotation in found.annotations:
        if annotation.image_id not in captions:
            raise CorruptFile(f"{path} has a caption of image {annotation.image_id}, which it does not list.")
        captions[annotation.image_id].append(annotation.caption)
    names = {picture.id: picture.file_name for picture in found.images}
    paths: Sequence[Path | None] = [None] * len(names)
    if options.images is not None:
        images = folder_in(folder, options.images, "images")
        joined = [images / own for own in names.values()]
        require_one(joined, images, "images")
        paths = joined
    return table_of("image", zip(paths, captions.values(), strict=True), of=path)

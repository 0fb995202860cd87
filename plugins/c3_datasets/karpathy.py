"""Karpathy's splits of COCO, Flickr8k and Flickr30k: `karpathy:dataset_coco.json?split=test&images=FOLDER`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from c3_datasets.argument import TableOptions, choose_split, parse
from c3_datasets.captions import table_of
from c3_datasets.files import file_in, folder_in, read_format, require_one
from c3core.data import Table
from c3core.errors import WrongCall

FORM = "karpathy:dataset_coco.json?split=test&images=FOLDER"
TRAINED_TOO = "restval"  # the split of COCO's validation pictures that all papers train on, too


class Sentence(BaseModel):
    """One caption."""

    raw: str


class Picture(BaseModel):
    """One picture. `filepath` is its folder, which only COCO has."""

    filename: str
    filepath: str = ""
    split: str
    sentences: list[Sentence]


class Splits(BaseModel):
    """The file as a whole."""

    images: list[Picture]


class Options(TableOptions):
    """What may follow the `?`."""

    split: str | None = None
    images: str | None = None


def table(argument: str, *, folder: Path) -> Table:
    """The pictures of one split and their captions; without `images`, only the captions.

    `split=train` is with COCO's `restval`. `images` is the folder that holds the pictures, or for COCO the folders
    `train2014` and `val2014`. A picture that is missing is left to the reader. Raises `C3Error` for a file of another
    format, a split that is not there, and a folder that holds none of the pictures.
    """
    name, options = parse(argument, Options, table="karpathy", form=FORM)
    path = file_in(folder, name)
    pictures = read_format(path, Splits, "file of Karpathy's splits").images
    split = choose_split(options.split, (picture.split for picture in pictures), path)
    taken = {split, TRAINED_TOO} if split == "train" else {split}
    chosen = [picture for picture in pictures if picture.split in taken]
    paths: Sequence[Path | None] = [None] * len(chosen)
    if options.images is not None:
        paths = _paths(chosen, folder_in(folder, options.images, "images"))
    captions = ([sentence.raw for sentence in picture.sentences] for picture in chosen)
    return table_of("image", zip(paths, captions, strict=True), of=path)


def _paths(pictures: Sequence[Picture], images: Path) -> list[Path]:
    """The paths of pictures, in their own folders if `images` holds one of these, else in `images` itself."""
    nested = any((images / own).is_dir() for own in {picture.filepath for picture in pictures if picture.filepath})
    paths = [images / (picture.filepath if nested else "") / picture.filename for picture in pictures]
    require_one(paths, images, "images")
    name, count = Counter(paths).most_common(1)[0]
    if count > 1:
        raise WrongCall(f"images: {count} pictures are called {name}. Name the folder that holds their own folders.")
    return paths

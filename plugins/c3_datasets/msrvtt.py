"""MSR-VTT, some twenty captions of each video: `msrvtt:MSRVTT_data.json?split=test&videos=FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from c3_datasets.argument import TableOptions, choose_split, parse
from c3_datasets.captions import table_of
from c3_datasets.files import file_in, find_stems, folder_in, read_format, require_one
from c3core.data import Table
from c3core.errors import CorruptFile

FORM = "msrvtt:MSRVTT_data.json?split=test&videos=FOLDER"
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")


class Video(BaseModel):
    """One video."""

    video_id: str
    split: str


class Sentence(BaseModel):
    """One caption."""

    video_id: str
    caption: str


class Videos(BaseModel):
    """The file as a whole."""

    videos: list[Video]
    sentences: list[Sentence]


class Options(TableOptions):
    """What may follow the `?`."""

    split: str | None = None
    videos: str | None = None


def table(argument: str, *, folder: Path) -> Table:
    """The videos of one split and their captions; without `videos`, only the captions.

    A video is the file called `<video_id>`, with a suffix of videos. One that is missing is left to the reader. Raises
    `C3Error` for a file of another format, a split that is not there, and a folder that holds none of the videos.
    """
    name, options = parse(argument, Options, table="msrvtt", form=FORM)
    path = file_in(folder, name)
    found = read_format(path, Videos, "file of MSR-VTT")
    captions: dict[str, list[str]] = {video.video_id: [] for video in found.videos}
    for sentence in found.sentences:
        if sentence.video_id not in captions:
            raise CorruptFile(f"{path} has a caption of video {sentence.video_id!r}, which it does not list.")
        captions[sentence.video_id].append(sentence.caption)
    split = choose_split(options.split, (video.split for video in found.videos), path)
    chosen = [video.video_id for video in found.videos if video.split == split]
    paths: Sequence[Path | None] = [None] * len(chosen)
    if options.videos is not None:
        videos = folder_in(folder, options.videos, "videos")
        files = find_stems(videos, SUFFIXES)
        joined = [files.get(video) or videos / f"{video}.mp4" for video in chosen]
        require_one(joined, videos, "videos")
        paths = joined
    return table_of("video", zip(paths, (captions[video] for video in chosen), strict=True), of=path)

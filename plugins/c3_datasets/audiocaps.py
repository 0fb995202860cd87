"""AudioCaps, one row for each caption of a clip from YouTube: `audiocaps:test.csv?audio=FOLDER`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from c3_datasets.argument import TableOptions, parse
from c3_datasets.captions import table_of
from c3_datasets.files import file_in, find_stems, folder_in, read_columns, require_one
from c3core.data import Table

FORM = "audiocaps:test.csv?audio=FOLDER"
COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".mp4", ".mkv", ".webm")
SECONDS = 10  # that a clip of AudioSet lasts

Clip = tuple[str, str]  # the id on YouTube, and the start in seconds


class Options(TableOptions):
    """What may follow the `?`."""

    audio: str | None = None


def table(argument: str, *, folder: Path) -> Table:
    """The clips of a file and their captions; without `audio`, only the captions.

    A clip is the file with one of the names that tools which download it give (`names_of`), with a suffix of sounds or
    videos. A clip that is missing is left to the reader. Raises `C3Error` for a file of another format, and for a
    folder that holds none of the clips.
    """
    name, options = parse(argument, Options, table="audiocaps", form=FORM)
    path = file_in(folder, name)
    clips: dict[Clip, list[Mapping[str, str]]] = {}
    for row in read_columns(path, COLUMNS, "file of AudioCaps"):
        clips.setdefault((row["youtube_id"], row["start_time"]), []).append(row)
    paths: Sequence[Path | None] = [None] * len(clips)
    if options.audio is not None:
        audio = folder_in(folder, options.audio, "audio")
        files = find_stems(audio, SUFFIXES)
        found = [_file(clip, rows, files) or audio / f"{clip[0]}.wav" for clip, rows in clips.items()]
        require_one(found, audio, "audio")
        paths = found
    captions = ([row["caption"] for row in rows] for rows in clips.values())
    return table_of("audio", zip(paths, captions, strict=True), of=path)


def _file(clip: Clip, rows: Sequence[Mapping[str, str]], files: Mapping[str, Path]) -> Path | None:
    stems = [*names_of(*clip), *(row["audiocap_id"] for row in rows)]
    return next((files[stem] for stem in stems if stem in files), None)


def names_of(youtube_id: str, start: str) -> Iterator[str]:
    """The names, without suffix, that a clip may have: by its id, its start, and its end in seconds or milliseconds.

    >>> list(names_of("rqfQRErjfk8", "170"))[:3]
    ['rqfQRErjfk8_170', 'rqfQRErjfk8', 'rqfQRErjfk8_170_180']
    """
    yield from (f"{youtube_id}_{start}", youtube_id)
    if start.isdecimal():
        begin, end = int(start), int(start) + SECONDS
        yield from (f"{youtube_id}_{begin}_{end}", f"{youtube_id}_{begin}000_{end}000")
        yield f"{youtube_id}_{begin}.000_{end}.000"
    yield from (f"Y{youtube_id}_{start}", f"Y{youtube_id}")

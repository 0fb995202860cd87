"""MSR-VTT: captions of videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import CorruptFile, WrongCall, load_table
from tests.helpers.miniatures import write_coco, write_msrvtt


def test_the_videos_of_a_split_with_their_captions(tmp_path: Path) -> None:
    path = write_msrvtt(tmp_path)
    (tmp_path / "clips").mkdir()
    for name in ("video2.mp4", "video2.webm", "video2.srt", "video0.mp4"):
        (tmp_path / "clips" / name).touch()
    with pytest.warns(UserWarning, match=r"1 video item\(s\) have no caption"):
        table = load_table(f"msrvtt:{path.name}?split=test&videos=clips", folder=tmp_path)
    assert table.grouped("video", "text") == [
        (str(tmp_path / "clips" / "video2.mp4"), ["a man sings", "歌う"]),
        (str(tmp_path / "clips" / "video3.mp4"), ["a dog"]),  # missing
    ]
    assert load_table(f"msrvtt:{path}?split=train").columns == {"text": ["a train"]}


def test_what_is_not_there(tmp_path: Path) -> None:
    path = write_msrvtt(tmp_path)
    with pytest.raises(WrongCall, match="has no split 'val': known: test, train, validate"):
        load_table(f"msrvtt:{path}?split=val")
    with pytest.raises(WrongCall, match="videos: .*nowhere does not exist"):
        load_table(f"msrvtt:{path}?split=test&videos={tmp_path}/nowhere")


def test_other_formats(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="no file of MSR-VTT .*videos: Field required; sentences: Field required"):
        load_table(f"msrvtt:{write_coco(tmp_path)}?split=test")
    lost = write_msrvtt(tmp_path, sentences=[{"video_id": "video9", "caption": "nine"}])
    with pytest.raises(CorruptFile, match="a caption of video 'video9', which it does not list"):
        load_table(f"msrvtt:{lost}?split=test")

"""Videos with a color for each frame, so that the frames which are read can be recognized."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.contracts import BadItem
from c3core.errors import C3Error, CorruptFile, NotInstalled, WrongCall
from tests.helpers.media_files import FRAMES, RATE, SIDES, frame, index_of, write_gif, write_video, write_videos

av = pytest.importorskip("av")

from c3core.media.video import VideoReader  # noqa: E402

ROOT = Path(__file__).parents[2]
TIMES_MS = [0, 40, 480, 500, 1500, 1540, 1600, 2900, 3000, 3333, 3400, 5000]  # of a variable frame rate


def shown(frames: np.ndarray[Any, Any]) -> list[int]:
    """Return the indices of frames."""
    return [index_of(pixels) for pixels in frames]


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The packets that are read while the test runs."""
    read: list[Any] = []

    class Container:
        def __init__(self, container: Any) -> None:
            self.container = container

        def __getattr__(self, name: str) -> Any:
            return getattr(self.container, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self.container.close()

        def demux(self, *streams: Any, **options: Any) -> Iterator[Any]:
            for packet in self.container.demux(*streams, **options):
                read.append(packet.pts)
                yield packet

    opens = av.open
    monkeypatch.setattr(av, "open", lambda *given, **options: Container(opens(*given, **options)))
    return read


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A video of each kind, 60 frames at 10 a second unless its name says otherwise."""
    folder = tmp_path_factory.mktemp("videos")
    videos = {path.name: path for path in write_videos(folder)}

    def add(name: str, codec: str, **options: Any) -> None:
        videos[name] = folder / name
        write_video(videos[name], codec, **options)

    add("bframes.avi", "libx264")
    add("xvid.avi", "mpeg4", coder={"bf": "2"})
    add("open-gop.mp4", "libx264", coder={"x264-params": "open-gop=1:bframes=3"})
    add("odd.mkv", "libx264", sides=(47, 63), pixels="yuv444p")
    add("odd.webm", "libvpx-vp9", sides=(47, 63))
    add("one.mp4", "libx264", count=1)
    videos["one.gif"] = folder / "one.gif"
    write_gif(videos["one.gif"], count=1)
    for suffix in ("mp4", "mkv"):
        add(f"late.{suffix}", "libx264", times=[5000 + 100 * i for i in range(60)])
        add(f"variable.{suffix}", "libx264", times=TIMES_MS, count=12)
    videos["trimmed.mp4"], videos["live.webm"] = folder / "trimmed.mp4", folder / "live.webm"
    copy(videos["plain.mp4"], str(videos["trimmed.mp4"]), shift=-1.55, options={"avoid_negative_ts": "disabled"})
    with open(videos["live.webm"], "wb") as handle:  # written to a pipe: no duration, no index
        copy(videos["plain.webm"], SimpleNamespace(write=handle.write), format="webm", options={"live": "1"})
    return videos


def copy(source: Path, target: Any, *, times: int = 1, shift: float = 0.0, **options: Any) -> None:
    """Write the packets of a file again, `times` times one after the other, `shift` s later."""
    with av.open(str(source)) as first, av.open(target, "w", **options) as out:
        stream = out.add_stream_from_template(first.streams.video[0])
        for round_ in range(times):
            first.seek(0)
            for packet in first.demux(video=0):
                if packet.size:
                    later = int((shift + round_ * FRAMES / RATE) / packet.time_base)
                    packet.pts += later
                    packet.dts = packet.dts if packet.dts is None else packet.dts + later
                    packet.stream = stream
                    out.mux(packet)


STEADY = ["plain.mp4", "faststart.mp4", "fragmented.mp4", "plain.mkv", "plain.webm", "plain.avi", "plain.mov"]
STEADY += ["plain.gif", "bframes.avi", "xvid.avi", "open-gop.mp4", "vp8.webm", "odd.mkv", "odd.webm", "late.mp4"]
STEADY += ["late.mkv", "live.webm"]


@pytest.mark.parametrize("name", STEADY)
def test_every_frame_is_found_in_order_and_out_of_order(wholes: dict[str, Path], name: str) -> None:
    sides = (47, 63) if name.startswith("odd") else SIDES
    reader = VideoReader()
    with reader.open(wholes[name]) as video:
        assert video.duration == pytest.approx(6.0, abs=1e-6)
        assert video.rate == pytest.approx(10.0)
        every = video.evenly(60)
        assert (every.dtype, every.shape) == (np.uint8, (60, *sides, 3))
        assert shown(every) == list(range(60))
        order = np.random.default_rng(0).permutation(60)
        assert shown(video.at([(i + 0.5) / 10 for i in order])) == order.tolist()
        for i in order[:8]:
            assert shown(video.at([i / 10])) == [i]
        assert shown(video.at([0.0, 6.0])) == [0, 59]


@pytest.mark.parametrize(
    "name", ["plain.mp4", "plain.mkv", "plain.webm", "open-gop.mp4", "odd.mkv", "late.mp4", "variable.mp4"]
)
def test_frames_are_those_of_decord(wholes: dict[str, Path], name: str) -> None:
    decord = pytest.importorskip("decord", reason="an independent decoder")
    theirs = decord.VideoReader(str(wholes[name]))
    starts = theirs.get_frame_timestamp(range(len(theirs)))[:, 0]
    with VideoReader().open(wholes[name]) as video:
        ours = video.at((starts + 1e-3).tolist())
    expected = theirs.get_batch(range(len(theirs))).asnumpy()
    assert ours.shape == expected.shape
    assert np.abs(ours.astype(int) - expected).max() <= 3  # levels: the two convert from YUV with other roundings


DECORD = [
    "plain.mp4",
    "faststart.mp4",
    "fragmented.mp4",
    "plain.mkv",
    "plain.webm",
    "plain.avi",
    "plain.mov",
    "vp8.webm",
]
DECORD += ["open-gop.mp4", "odd.mkv", "late.mp4", "late.mkv", "one.mp4", "variable.mkv"]


@pytest.mark.parametrize("name", DECORD)
def test_both_decoders_give_the_same_frames(wholes: dict[str, Path], name: str) -> None:
    pytest.importorskip("decord", reason="the other decoder")
    with VideoReader().open(wholes[name]) as ours, VideoReader(decoder="decord").open(wholes[name]) as theirs:
        assert (theirs.duration, theirs.rate) == pytest.approx((ours.duration, ours.rate), abs=1e-4)
        n = max(1, round(ours.duration * 10))
        times = [(i + 0.5) * min(ours.duration, theirs.duration) / n for i in np.random.default_rng(0).permutation(n)]
        one, other = ours.at(times), theirs.at(times)
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() <= 3  # levels: as above


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_both_decoders_turn_a_video_upright(tmp_path: Path, degrees: int) -> None:
    pytest.importorskip("decord", reason="the other decoder")
    write_video(tmp_path / "a.mp4", "libx264", count=3, rotate=(degrees, False, False))
    one, other = (VideoReader(3, decoder=name).read(tmp_path / "a.mp4") for name in ("pyav", "decord"))
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() <= 3


def test_what_decord_cannot_read_is_one_error(wholes: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("decord", reason="the other decoder")
    (tmp_path / "text.mp4").write_text("no video")
    for path in (wholes["plain.gif"], wholes["xvid.avi"], tmp_path / "text.mp4"):
        with pytest.raises(CorruptFile, match="decord cannot read it. PyAV, the default, may") as caught:
            VideoReader(decoder="decord").read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(WrongCall, match="no decoder of videos is called 'decor': did you mean decord"):
        VideoReader(decoder="decor")


def test_pyav_works_after_decord(wholes: dict[str, Path]) -> None:
    """decord brings an FFmpeg of its own, which PyAV must not use."""
    pytest.importorskip("decord", reason="the other decoder")
    program = (
        "import sys; from c3core.media import VideoReader\n"
        "VideoReader(decoder='decord').read(sys.argv[1]); import av\n"
        "with av.open(sys.argv[2], 'w') as out:\n"
        "    stream = out.add_stream('libvpx-vp9', rate=10, options={'lossless': '1'})\n"
        "    stream.width = stream.height = 64; stream.pix_fmt = 'yuv420p'\n"
        "    frame = av.VideoFrame(64, 64, 'yuv420p')\n"
        "    out.mux(stream.encode(frame)); out.mux(stream.encode())\n"
        "print(VideoReader(1).read(sys.argv[2]).shape)"
    )
    words = [sys.executable, "-c", program, str(wholes["plain.mp4"]), str(wholes["plain.mp4"].with_name("out.webm"))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "(1, 64, 64, 3)"), done.stderr


@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv"])
def test_a_variable_frame_rate_is_read_by_time(wholes: dict[str, Path], name: str) -> None:
    starts = np.array(TIMES_MS) / 1000
    times = [0.0, 0.03, 0.041, 0.47, 0.49, 1.4, 1.51, 1.57, 2.8, 2.95, 3.2, 3.35, 4.99, 5.0]
    expected = [int((starts <= time).sum()) - 1 for time in times]
    with VideoReader().open(wholes[name]) as video:
        assert shown(video.at(times)) == expected
        assert [shown(video.at([time])) for time in times] == [[i] for i in expected]
        middles = (np.arange(5) + 0.5) * video.duration / 5
        assert shown(video.evenly(5)) == [int((starts <= time).sum()) - 1 for time in middles]


def test_a_trimmed_file_starts_where_it_was_trimmed(wholes: dict[str, Path]) -> None:
    with VideoReader().open(wholes["trimmed.mp4"]) as video:
        assert 4.3 < video.duration < 4.6
        frames = shown(video.at([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert frames == [frames[0] + 10 * i for i in range(5)]
    assert frames[0] in (15, 16)


@pytest.mark.parametrize(
    "coder", [{"bf": "0"}, {"bf": "2"}, {"x264-params": "keyint=infinite"}], ids=["plain", "bframes", "one key"]
)
@pytest.mark.parametrize("end", [2.0, 2.4, 4.7])  # the keyframes stand at 1.2, 2.4 and so on, if there are several
def test_a_file_with_an_edit_list_ends_where_it_was_trimmed(coder: dict[str, str], end: float, tmp_path: Path) -> None:
    """A player trims so, without encoding: the packets stay, and an edit list tells the length."""
    write_video(tmp_path / "whole.mp4", "libx264", coder=coder)
    content = bytearray((tmp_path / "whole.mp4").read_bytes())
    scale = struct.unpack(">I", content[(head := content.find(b"mvhd")) + 16 : head + 20])[0]
    for at in (content.find(b"elst") + 12, head + 20, content.find(b"tkhd") + 24):  # each in units of the film
        content[at : at + 4] = struct.pack(">I", round(end * scale))
    (tmp_path / "cut.mp4").write_bytes(content)
    with VideoReader().open(tmp_path / "cut.mp4") as video:
        assert video.duration == pytest.approx(end, abs=0.051)
        assert shown(video.evenly(4)) == [int(video.duration * 10 * (i + 0.5) / 4) for i in range(4)]
        assert shown(video.clips([video.duration - 1], 1.0, 2)[0])[-1] == round(end * 10) - 1


def test_if_keyframes_are_few_frames_are_decoded_once(tmp_path: Path, packets: list[Any]) -> None:
    write_video(tmp_path / "a.mp4", "libx264", count=600, coder={"x264-params": "keyint=infinite:scenecut=0"})
    with VideoReader().open(tmp_path / "a.mp4") as video:
        assert len(video.evenly(6)) == 6
    assert 2 * 600 <= len(packets) < 2 * 610  # once to find the end, once to decode


@pytest.mark.parametrize(("codec", "coder"), [("libx264", {"x264-params": "open-gop=1"}), ("mpeg4", {"bf": "2"})])
def test_if_a_keyframe_cannot_be_used_reading_starts_at_an_earlier_one(
    tmp_path: Path, packets: list[Any], codec: str, coder: dict[str, str]
) -> None:
    write_video(tmp_path / "a.mp4", codec, count=400, coder=coder)
    order = range(390, 0, -13)
    with VideoReader().open(tmp_path / "a.mp4") as video:
        packets.clear()
        for i in order:
            assert len(video.at([i / 10])) == 1
    assert len(packets) < 23 * len(order)  # keyframes are 12 apart; from the start it would be 200 on average


def test_a_trimmed_file_starts_where_it_was_trimmed_even_if_its_first_frames_are_alike(tmp_path: Path) -> None:
    write_video(tmp_path / "whole.mp4", "libx264", hold=20)
    copy(tmp_path / "whole.mp4", str(tmp_path / "a.mp4"), shift=-0.4, options={"avoid_negative_ts": "disabled"})
    with VideoReader().open(tmp_path / "a.mp4") as video:
        assert shown(video.at([0.0, 1.55, 2.05, 3.05])) == [20, 20, 24, 34]


@pytest.mark.parametrize("name", ["one.mp4", "one.gif"])
def test_one_frame_repeats(wholes: dict[str, Path], name: str) -> None:
    assert shown(VideoReader(4).read(wholes[name])) == [0] * 4
    assert VideoReader(2, clips=3).read(wholes[name]).shape == (3, 2, *SIDES, 3)


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirror", [(False, False), (True, False), (False, True)])
def test_the_rotation_flag_is_applied(tmp_path: Path, degrees: int, mirror: tuple[bool, bool], codec: str) -> None:
    write_video(tmp_path / "a.mp4", codec, count=3, rotate=(degrees, *mirror))
    upright = np.rot90(frame(1), degrees // 90)
    upright = upright[:, ::-1] if mirror[0] else upright
    upright = upright[::-1] if mirror[1] else upright
    read = VideoReader(3).read(tmp_path / "a.mp4")[1]
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < 8


@pytest.mark.parametrize("name", ["plain.mp4", "plain.webm", "plain.gif"])
def test_clips_hold_their_first_and_last_frames(wholes: dict[str, Path], name: str) -> None:
    with VideoReader().open(wholes[name]) as video:
        clips = video.clips([0.0, 1.0, 2.05, 4.0], 2.0, 2)
        assert clips.shape == (4, 2, *SIDES, 3)
        assert [shown(clip) for clip in clips] == [[0, 19], [10, 29], [21, 40], [40, 59]]
        assert [shown(clip) for clip in video.clips([1.0], 0.5, 5)] == [[10, 11, 12, 13, 14]]
        assert [shown(clip) for clip in video.clips([1.0], 1.0, 3)] == [[10, 14, 19]]
        assert [shown(clip) for clip in video.clips([1.0], 1.0, 1)] == [[10]]
        assert [shown(clip) for clip in video.clips([5.0], 2.0, 2)] == [[50, 59]]  # one second short
        assert shown(video.evenly(3)) == [10, 30, 50]  # the same open video


def test_the_reader_spreads_clips_over_the_video(wholes: dict[str, Path]) -> None:
    clips = VideoReader(2, clips=5, seconds=2.0).read(wholes["plain.mp4"])
    assert [shown(clip) for clip in clips] == [[0, 19], [10, 29], [20, 39], [30, 49], [40, 59]]
    assert [shown(clip) for clip in VideoReader(2, clips=1).read(wholes["plain.mp4"])] == [[0, 19]]
    assert [shown(clip) for clip in VideoReader(2, clips=2, seconds=9).read(wholes["plain.mp4"])] == [[0, 59]] * 2


@given(st.integers(1, 30), st.integers(1, 40), st.sampled_from([None, 1.0, 24.0, 29.97, 1000.0]))
def test_an_array_is_a_video_too(count: int, n: int, rate: float | None) -> None:
    array = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    read = VideoReader(n).read(array if rate is None else (array, rate))
    assert read[:, 0, 0, 0].tolist() == [(2 * i + 1) * count // (2 * n) for i in range(n)]
    assert read.shape == (n, 2, 3, 3)


def test_clips_of_an_array_need_its_rate() -> None:
    array = np.stack([frame(i) for i in range(60)])
    reader = VideoReader(2, clips=5)
    with pytest.raises(WrongCall, match="rate"):
        reader.read(array)
    assert shown(reader.read((array, 10)).reshape(-1, *SIDES, 3)) == [0, 19, 10, 29, 20, 39, 30, 49, 40, 59]


def with_sound(path: Path, video: float, audio: float) -> None:
    """Write a video with a sound track, each of some seconds; 0 leaves it out."""
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=10, options={"g": "12"}) if video else None
        track = out.add_stream("aac", rate=48_000)
        track.layout = "mono"
        if pictures:
            pictures.height, pictures.width = SIDES
            pictures.pix_fmt = "yuv420p"
            for i in range(int(video * 10)):
                image = av.VideoFrame.from_ndarray(frame(i), format="rgb24")
                image.pts, image.time_base = i, Fraction(1, 10)
                out.mux(pictures.encode(image))
            out.mux(pictures.encode(None))
        for start in range(0, int(audio * 48_000), 1024):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.rate, block.pts = 48_000, start
            out.mux(track.encode(block))
        out.mux(track.encode(None))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("audio", [1.0, 3.0, 9.0])
def test_a_sound_track_of_any_length_changes_nothing(tmp_path: Path, suffix: str, audio: float) -> None:
    path = tmp_path / f"a.{suffix}"
    with_sound(path, 3.0, audio)
    with VideoReader().open(path) as video:
        assert video.duration == pytest.approx(3.0, abs=0.06)
        assert shown(video.evenly(30)) == list(range(30))


def test_a_sound_track_without_a_video_is_refused(tmp_path: Path) -> None:
    with_sound(tmp_path / "a.mp4", 0.0, 1.0)
    with pytest.raises(C3Error, match="no moving pictures"):
        VideoReader().read(tmp_path / "a.mp4")


def test_large_frames_are_refused(wholes: dict[str, Path]) -> None:
    with pytest.raises(C3Error, match="64 x 48"):
        VideoReader(max_pixels=64 * 48 - 1).read(wholes["plain.mp4"])
    assert VideoReader(max_pixels=64 * 48).read(wholes["plain.mp4"]).shape[0] == 8


def test_a_frame_that_cannot_be_decoded_is_an_error(wholes: dict[str, Path], tmp_path: Path) -> None:
    content = bytearray(wholes["plain.webm"].read_bytes())
    with av.open(str(wholes["plain.webm"])) as whole:
        packet = [packet for packet in whole.demux(video=0) if packet.size][30]
    at = content.find(bytes(packet))
    assert at > 0
    content[at : at + packet.size] = bytes([0xFF]) * packet.size
    (tmp_path / "a.webm").write_bytes(content)
    with VideoReader().open(tmp_path / "a.webm") as video:
        assert shown(video.at([0.55])) == [5]
        for _ in range(2):
            with pytest.raises(CorruptFile, match="broken"):
                video.at([3.05])
        assert shown(video.at([2.45])) == [24]


@pytest.mark.parametrize(("name", "most"), [("plain.webm", 0), ("plain.mp4", 4), ("xvid.avi", 4)])
def test_damaged_frames_are_mostly_refused(wholes: dict[str, Path], tmp_path: Path, name: str, most: int) -> None:
    """Change 16 bytes of one packet, 40 times. Only the decoder of VP9 notices all damage."""
    whole = wholes[name].read_bytes()
    with av.open(str(wholes[name])) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size > 40]
    rng = np.random.default_rng(0)
    wrong = refusals = 0
    for _ in range(40):
        packet = packets[rng.integers(len(packets))]
        data, at = bytearray(whole), whole.find(packet)
        for place in rng.integers(8, len(packet), 16):
            data[at + place] ^= int(rng.integers(1, 256))
        (tmp_path / name).write_bytes(data)
        item = VideoReader(20)(tmp_path / name)
        if isinstance(item, BadItem):
            refusals += 1
        else:
            wrong += shown(item) != [3 * i + 1 for i in range(20)]
    assert wrong <= most
    assert refusals > 30


def test_a_playlist_opens_no_other_file(wholes: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile '{wholes['plain.mp4']}'\n")
    with pytest.raises(CorruptFile, match="no video of a known format"):
        VideoReader().read(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (None, "path"),
        (b"a.mp4", "path"),
        ([np.zeros((2, 2, 3), np.uint8)], "path"),
        (np.zeros((2, 2, 3), np.uint8), "n, h, w, 3"),
        (np.zeros((1, 2, 2, 3)), "uint8"),
        (np.zeros((0, 2, 2, 3), np.uint8), "0, 2, 2, 3"),
        ((np.zeros((1, 2, 2, 3), np.uint8), 0), "above 0"),
        ((np.zeros((1, 2, 2, 3), np.uint8), float("nan")), "above 0"),
    ],
)
def test_other_sources_are_refused(wrong: Any, why: str) -> None:
    with pytest.raises(C3Error, match=why):
        VideoReader().read(wrong)


def test_times_outside_the_video_are_refused(wholes: dict[str, Path]) -> None:
    with VideoReader().open(wholes["plain.mp4"]) as video:
        for times in ([-0.1], [6.1], [float("nan")], []):
            with pytest.raises(WrongCall, match=r"lasts from 0 to 6\.000 s"):
                video.at(times)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"clips": 0}, {"seconds": 0}, {"seconds": float("nan")}])
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongCall, match="1 or more"):
        VideoReader(**wrong)


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NotInstalled, match=r'PyAV .*pip install "c3core\[video\]"'):
        VideoReader()


def test_the_reader_can_be_sent_to_a_worker(wholes: dict[str, Path]) -> None:
    reader = pickle.loads(pickle.dumps(VideoReader(3, clips=2, seconds=1.0)))
    assert reader.read(wholes["plain.mp4"]).shape == (2, 3, *SIDES, 3)


def test_an_hour_costs_no_more_than_a_minute(wholes: dict[str, Path], tmp_path: Path, packets: list[Any]) -> None:
    counts = []
    for times, seconds in ((10, 60), (600, 3600)):
        path = tmp_path / f"{seconds}.mp4"
        copy(wholes["plain.mp4"], str(path), times=times)
        packets.clear()
        with VideoReader().open(path) as video:
            assert video.duration == pytest.approx(seconds, abs=0.1)
            video.evenly(8)
            video.clips([0, video.duration / 2, video.duration - 2], 2, 2)
        counts.append(len(packets))
    assert 20 < counts[1] < 1.2 * counts[0]


def test_frames_far_longer_than_wide_are_refused() -> None:
    with pytest.raises(C3Error, match="one side is more than 256 times the other"):
        VideoReader(2).read(np.zeros((3, 2, 600, 3), np.uint8))

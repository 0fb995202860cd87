"""Pictures and videos against upstream's steps, with its own functions where they can be imported."""

from __future__ import annotations

import importlib.util
import math
import types
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

if find_spec("imagebind") is None:
    pytest.skip("needs the extra imagebind", allow_module_level=True)
pytest.importorskip("av", reason="needs the extra video")

from c3_imagebind.pictures import MEAN, STD, ClipReader, PhotoReader, photos_of
from c3core.contracts import BadItem


@pytest.fixture(scope="module")
def data() -> types.ModuleType:
    """Upstream's `imagebind/data.py` less its imports of media libraries, for the functions that need none of them."""
    found = importlib.util.find_spec("imagebind")
    source = (Path(found.submodule_search_locations[0]) / "data.py").read_text()
    left_out = ("import pkg_resources", "import torchaudio", "from pytorchvideo", "from imagebind")
    module = types.ModuleType("upstream_data")
    exec("\n".join(line for line in source.splitlines() if not line.startswith(left_out)), module.__dict__)
    return module


def picture(width: int, height: int) -> Image.Image:
    coarse = np.random.default_rng(width * height).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(640, 427), (301, 500), (224, 224), (100, 60), (225, 900)])
def test_a_picture_becomes_upstreams_tensor(size, tmp_path, data):
    picture(*size).save(tmp_path / "a.png")
    expected = data.load_and_transform_vision_data([tmp_path / "a.png"], "cpu")[0]
    torch.testing.assert_close(PhotoReader().read(tmp_path / "a.png"), expected, rtol=0, atol=1e-4)


def test_grey_and_transparent_pictures_too(tmp_path, data):
    for mode in ("L", "RGBA", "P"):
        picture(300, 260).convert(mode).save(tmp_path / "a.png")
        expected = data.load_and_transform_vision_data([tmp_path / "a.png"], "cpu")[0]
        torch.testing.assert_close(PhotoReader().read(tmp_path / "a.png"), expected, rtol=0, atol=1e-4)


def test_pixels_with_gradient_are_seen_as_the_same_picture():
    shown = picture(300, 260)
    raw = (torch.from_numpy(np.array(shown)).permute(2, 0, 1).float() / 255).unsqueeze(0).requires_grad_()
    seen = photos_of(raw)
    # PIL rounds to 8 bits in between.
    torch.testing.assert_close(seen[0], PhotoReader().read(shown), rtol=0, atol=2.5 / 255 / min(STD))
    seen.sum().backward()
    assert raw.grad.abs().sum() > 0


def upstream_video(frames: np.ndarray, rate: float, data: types.ModuleType) -> torch.Tensor:
    """load_and_transform_video_data of frames in memory: what it takes from pytorchvideo is restated."""
    duration = len(frames) / rate
    step = Fraction(max(duration - 2, 0)) / 4
    clips = []
    for number in range(5):
        start = step * number
        first, last = math.ceil(rate * start), min(math.ceil(rate * (start + 2)), len(frames))
        clip = torch.from_numpy(frames[first:last]).permute(3, 0, 1, 2).to(torch.float32)
        index = torch.clamp(torch.linspace(0, clip.shape[1] - 1, 2), 0, clip.shape[1] - 1).long()
        clip = clip.index_select(1, index) / 255.0
        height, width = clip.shape[2:]
        if width < height:
            size = (math.floor((float(height) / width) * 224), 224)
        else:
            size = (224, math.floor((float(width) / height) * 224))
        clip = torch.nn.functional.interpolate(clip, size=size, mode="bilinear", align_corners=False)
        clips.append(data.NormalizeVideo(MEAN, STD)(clip))
    return torch.stack(data.SpatialCrop(224, num_crops=3)(clips))


@pytest.mark.parametrize(
    ("count", "rate", "height", "width"),
    [(75, 15.0, 48, 80), (31, 10.0, 80, 50), (15, 10.0, 30, 30), (1, 25.0, 33, 60)],
)
def test_a_video_becomes_upstreams_tensor(count, rate, height, width, data):
    frames = np.random.default_rng(count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    item = ClipReader().read((frames, rate))
    assert item.shape == (15, 3, 2, 224, 224)
    torch.testing.assert_close(item, upstream_video(frames, rate, data), rtol=0, atol=1e-4)


def test_a_video_file_becomes_upstreams_tensor(tmp_path, data):
    import av

    frames = np.stack([np.array(picture(96, 64).rotate(3 * number)) for number in range(70)])
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    decord = pytest.importorskip("decord", reason="upstream's decoder")
    decoded = decord.VideoReader(str(tmp_path / "a.mp4"))
    stored = decoded.get_batch(range(len(decoded))).asnumpy()
    expected = upstream_video(stored, decoded.get_avg_fps(), data)
    torch.testing.assert_close(ClipReader().read(tmp_path / "a.mp4"), expected, rtol=0, atol=1e-4)


def test_absurdly_long_pictures_and_videos_are_refused():
    assert "times as long" in PhotoReader()(Image.new("RGB", (10, 1000))).why
    assert isinstance(ClipReader()((np.zeros((3, 2, 4000, 3), dtype=np.uint8), 10.0)), BadItem)


@given(width=st.integers(1, 400), height=st.integers(1, 400))
def test_any_size_gives_a_square_or_a_reason(width, height):
    item = PhotoReader()(Image.new("RGB", (width, height), (255, 0, 0)))
    if max(width, height) > 32 * min(width, height):
        assert isinstance(item, BadItem)
    else:
        assert item.shape == (3, 224, 224)
        assert torch.allclose(item[0], torch.tensor((1 - MEAN[0]) / STD[0]), atol=1e-5)

"""Readers of depth, thermal pictures and motion."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

if find_spec("imagebind") is None:
    pytest.skip("needs the extra imagebind", allow_module_level=True)

from c3_imagebind.motion import MotionReader
from c3_imagebind.planes import PlaneReader
from c3core.contracts import BadItem

COARSE = np.random.default_rng(0).random((9, 12)).astype(np.float32)


def test_a_grey_picture_is_scaled_to_one_and_cut_square(tmp_path):
    grey = Image.fromarray((COARSE * 255).astype(np.uint8)).resize((400, 300), Image.Resampling.BICUBIC)
    grey.save(tmp_path / "a.png")
    steps = [
        transforms.Resize(224, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
    ]
    expected = transforms.Compose(steps)(grey)
    item = PlaneReader().read(tmp_path / "a.png")
    assert (item.shape, item.dtype) == ((1, 224, 224), torch.float32)
    torch.testing.assert_close(item, expected, rtol=0, atol=1e-6)


def test_floats_keep_their_values(tmp_path):
    plane = np.array(Image.fromarray(COARSE * 8 - 3).resize((300, 224), Image.Resampling.BICUBIC))
    np.save(tmp_path / "a.npy", plane.astype(np.float64))
    expected = torch.from_numpy(plane[:, 38:262]).unsqueeze(0)  # 224 high already: nothing is resampled
    torch.testing.assert_close(PlaneReader().read(tmp_path / "a.npy"), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(PlaneReader().read(plane), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (np.zeros((3, 4, 4)), "floats (h, w)"),
        (np.zeros((4, 4), dtype=np.int32), "floats (h, w)"),
        (np.zeros((0, 4)), "floats (h, w)"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.zeros((1, 100)), "times as long"),
        ("nowhere.npy", "no such file"),
        (7, "must be"),
    ],
)
def test_other_planes_are_refused(source, why):
    item = PlaneReader()(source)
    assert isinstance(item, BadItem)
    assert why in item.why


def test_planes_beyond_the_limit_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 20)))
    assert "at most 100" in PlaneReader(max_pixels=100)(tmp_path / "a.npy").why


def test_pickled_and_broken_arrays_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    np.save(tmp_path / "whole.npy", np.zeros((50, 50)))
    (tmp_path / "half.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:3000])
    (tmp_path / "head.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:20])
    for reader in (PlaneReader(), MotionReader()):
        for name in ("objects.npy", "half.npy", "head.npy"):
            item = reader(tmp_path / name)
            assert isinstance(item, BadItem), name
            assert "npy" in item.why


MOTION = np.random.default_rng(1).normal(size=(6, 2000))


@pytest.mark.parametrize("names", ["", "ax,ay,az,gx,gy,gz\n", "\ufeffax,ay,az,gx,gy,gz\n"])
def test_motion_from_arrays_and_tables_is_the_same(names, tmp_path):
    np.save(tmp_path / "a.npy", MOTION)
    lines = "\n".join(",".join(f"{value:.9g}" for value in step) for step in MOTION.T)
    (tmp_path / "a.csv").write_text(names + lines + "\n", encoding="utf-8")
    expected = torch.from_numpy(MOTION.astype(np.float32))
    assert torch.equal(MotionReader().read(MOTION), expected)
    assert torch.equal(MotionReader().read(tmp_path / "a.npy"), expected)
    torch.testing.assert_close(MotionReader().read(tmp_path / "a.csv"), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (MOTION.T, "resample"),
        (MOTION[:, :1999], "resample"),
        (MOTION.astype(str), "resample"),
        (np.full((6, 2000), np.inf), "NaN or infinite"),
        (5, "must be a path or an array"),
        ("nowhere.csv", "no such file"),
    ],
)
def test_other_motion_is_refused(source, why):
    item = MotionReader()(source)
    assert isinstance(item, BadItem)
    assert why in item.why


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_break_the_readers(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "a.csv"
    path.write_bytes(content)
    for reader in (PlaneReader(), MotionReader()):
        item = reader(path)
        assert isinstance(item, BadItem)
        assert item.why.strip()


def test_a_large_file_that_is_no_table_is_not_read(tmp_path):
    with open(tmp_path / "a.csv", "wb") as handle:
        handle.truncate(1 << 23)
    assert "too large" in MotionReader()(tmp_path / "a.csv").why

"""Pictures are compared with the pixels that were written, and with PIL's own conversions."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFile, ImageOps

from c3core.contracts import BadItem
from c3core.errors import C3Error, CorruptFile, NotInstalled
from c3core.media import image
from c3core.media.image import ImageReader
from tests.helpers.media_files import picture

image.formats()  # from here on, Pillow can write HEIC too
pixels = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.tif", {}, 0),
        ("b.tif", {"compression": "tiff_lzw"}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("b.webp", {"quality": 95}, 6),
        ("a.jpg", {"quality": 95, "subsampling": 0}, 3),
        ("b.jpg", {"quality": 95, "subsampling": 0, "progressive": True}, 3),
        ("a.gif", {}, 12),
        ("a.avif", {"quality": 95, "subsampling": "4:4:4"}, 3),
        ("a.heic", {"quality": 95, "chroma": 444}, 3),
    ],
)
def test_each_format_gives_the_pixels(tmp_path: Path, name: str, options: dict[str, Any], error: float) -> None:
    pixels = picture()
    Image.fromarray(pixels).save(tmp_path / name, **options)
    for source in (tmp_path / name, str(tmp_path / name)):
        read = ImageReader().read(source)
        assert (type(read), read.mode, read.size) == (Image.Image, "RGB", (56, 40))
        assert np.abs(np.asarray(read).astype(int) - pixels).mean() <= error


@given(pixels)
@settings(deadline=None)
def test_an_array_a_picture_and_a_second_reading_give_the_same_pixels(array: np.ndarray[Any, Any]) -> None:
    once = ImageReader().read(array)
    assert np.array_equal(np.asarray(once), array)
    assert np.array_equal(np.asarray(ImageReader().read(once)), array)
    assert np.array_equal(np.asarray(ImageReader().read(array[::-1, ::-1])), array[::-1, ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_the_exif_orientation_is_applied_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture(4, 6)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, lossless=True)
    # By hand, from the EXIF standard: where the first row and the first column of the stored picture belong.
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored),
    }[orientation]
    read = ImageReader().read(path)
    assert np.array_equal(np.asarray(read), upright)
    assert np.array_equal(np.asarray(ImageReader().read(read)), upright)
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(ImageReader().read(opened)), upright)
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(opened)), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["avif", "heic"])  # the file itself says how it is turned, as those of phones
def test_formats_that_are_turned_by_themselves_are_turned_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif, path = Image.Exif(), tmp_path / f"a.{suffix}"
    exif[0x0112] = orientation
    Image.fromarray(picture()).save(path, exif=exif.tobytes(), quality=95)
    upright = Image.fromarray(picture())
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    read = ImageReader().read(path)
    for again in (read, ImageReader().read(read)):
        assert np.asarray(again).shape == expected.shape
        assert np.abs(np.asarray(again) - expected).mean() < 5


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_counts_as_upright(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xffbroken")
    assert np.array_equal(np.asarray(ImageReader().read(tmp_path / "a.png")), picture())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_colors_become_rgb_as_pil_converts_them(tmp_path: Path, mode: str) -> None:
    source = Image.fromarray(picture()).convert(mode)
    if mode == "RGBA":
        source.putalpha(Image.fromarray(picture()[..., 0]))
    path = tmp_path / "a.tif"
    source.save(path)
    read = ImageReader().read(path)
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), np.asarray(source.convert("RGB")))
    assert np.array_equal(np.asarray(ImageReader().read(source)), np.asarray(source.convert("RGB")))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    rgba = np.dstack([picture(), np.zeros((40, 56), np.uint8)])
    Image.fromarray(rgba, "RGBA").save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(ImageReader().read(tmp_path / "a.png")), picture())
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=1)
    assert np.asarray(ImageReader().read(tmp_path / "p.png")).tolist() == [[[10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize("kind", ["png", "little.tif", "big.tif"])
def test_grey_of_16_bits_is_scaled(tmp_path: Path, kind: str) -> None:
    grey = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], np.uint16)
    path = tmp_path / f"a.{kind}"
    big = Image.frombytes("I;16B", (7, 1), grey.astype(">u2").tobytes())
    (big if kind == "big.tif" else Image.fromarray(grey)).save(path)
    assert path.read_bytes()[:2] == {"png": b"\x89P", "little.tif": b"II", "big.tif": b"MM"}[kind]
    read = np.asarray(ImageReader().read(path))
    assert read[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255, 255]  # round(value / 257), half up
    assert (read == read[..., :1]).all()


def grey_tiff(values: list[int], bits: int, photometric: int) -> bytes:
    """Return a TIFF with one row of grey pixels of 12 or 16 bits, which Pillow cannot write."""
    if bits == 12:  # two values in three bytes
        data = int("".join(f"{value:012b}" for value in values), 2).to_bytes(len(values) * 3 // 2, "big")
    else:
        data = struct.pack(f"<{len(values)}H", *values)
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 1, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"


@pytest.mark.parametrize(
    ("bits", "photometric", "values", "expected"),
    [
        (16, 1, [0, 1024, 32768, 65535], [0, 4, 128, 255]),
        (16, 0, [0, 1024, 32768, 65535], [255, 251, 127, 0]),  # in which 0 is white
        (12, 1, [0, 1024, 2048, 4095], [0, 64, 128, 255]),
    ],
)
def test_grey_tiffs_of_other_kinds(
    tmp_path: Path, bits: int, photometric: int, values: list[int], expected: list[int]
) -> None:
    (tmp_path / "a.tif").write_bytes(grey_tiff(values, bits, photometric))
    assert np.asarray(ImageReader().read(tmp_path / "a.tif"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("size", [(1, 257), (2000, 1)])
def test_a_picture_far_longer_than_wide_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    """Resized for a model, it would need gigabytes."""
    Image.new("RGB", size).save(tmp_path / "thread.png")
    with pytest.raises(C3Error, match="one side is more than 256 times the other"):
        ImageReader().read(tmp_path / "thread.png")
    assert ImageReader().read(Image.new("RGB", (1, 256))).size == (1, 256)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_of_32_bits_are_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.ones((2, 2), dtype)).save(tmp_path / "a.tif")
    with pytest.raises(C3Error, match="32-bit"):
        ImageReader().read(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_several_frames_the_first_is_read(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (5, 3), color) for color in ("red", "lime", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert np.asarray(ImageReader().read(path))[1, 2].tolist() == [255, 0, 0]


def test_a_jpeg_with_more_pictures_inside_gives_the_first(tmp_path: Path) -> None:
    first, second = Image.fromarray(picture()), Image.new("RGB", (8, 8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(np.asarray(ImageReader().read(tmp_path / "a.jpg")).astype(int) - picture()).mean() < 6


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])  # above the limit of the reader; above that of Pillow
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(C3Error, match="limit of 89478485"):
        ImageReader().read(tmp_path / "bomb.png")


def test_the_limit_holds_for_every_source(tmp_path: Path) -> None:
    reader = ImageReader(max_pixels=40 * 56 - 1)
    Image.fromarray(picture()).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", picture(), Image.fromarray(picture())):
        with pytest.raises(C3Error, match="56 x 40"):
            reader.read(source)
        assert ImageReader(max_pixels=40 * 56).read(source).size == (56, 40)


def test_half_a_file_is_refused_even_if_a_library_has_asked_pillow_to_be_lenient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = io.BytesIO()
    Image.fromarray(picture(300, 300)).save(whole, "JPEG")
    (tmp_path / "half.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(CorruptFile, match="truncated"):
        ImageReader().read(tmp_path / "half.jpg")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("suffix", ["avif", "heic"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_part_of_a_file_of_phones_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture(300, 300)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CorruptFile):
        ImageReader().read(path)


@pytest.mark.parametrize(("suffix", "advice"), [("heic", r"c3core\[heif\]"), ("avif", "-U pillow")])
def test_a_format_that_needs_more_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, advice: str
) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(picture()).save(path, {"heic": "HEIF", "avif": "AVIF"}[suffix])
    monkeypatch.setattr(image, "formats", lambda: image.FORMATS)
    with pytest.raises(NotInstalled, match=f"is a {suffix.upper()} picture.*{advice}"):
        ImageReader().read(path)


def test_no_flipped_bit_of_a_png_goes_unnoticed(tmp_path: Path) -> None:
    pixels, path = picture(6, 6), tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    refusals = 0
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        item = ImageReader()(path)
        refusals += isinstance(item, BadItem)
        assert isinstance(item, BadItem) or np.array_equal(np.asarray(item), pixels), bit
    assert refusals > 7 * len(whole)


def test_a_postscript_file_is_never_given_to_another_program(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(CorruptFile, match="no picture of a known format"):
        ImageReader().read(tmp_path / "a.png")


@pytest.mark.parametrize(
    "wrong",
    [None, 3, [1], np.zeros((2, 2, 3)), np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2, 3), np.uint8)],
)
def test_other_sources_are_refused(wrong: Any) -> None:
    with pytest.raises(C3Error, match="uint8"):
        ImageReader().read(wrong)


def test_the_bytes_of_a_file_and_a_grey_array_are_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    assert np.array_equal(np.asarray(ImageReader().read(path.read_bytes())), picture())
    grey = picture()[..., 0]
    assert np.array_equal(np.asarray(ImageReader().read(grey)), np.stack([grey] * 3, axis=-1))
    for wrong, says in ((b"a.png", "no picture of a known format"), (b"", "the file is empty")):
        with pytest.raises(CorruptFile, match=says):
            ImageReader().read(wrong)


def test_a_transform_is_applied_also_in_a_worker() -> None:
    reader = ImageReader(ImageOps.grayscale, max_pixels=40 * 56)
    copy = pickle.loads(pickle.dumps(reader))
    for one in (reader, copy):
        assert one.read(picture()).mode == "L"
        with pytest.raises(C3Error, match="limit of 2240"):
            one.read(picture(41))
    assert ImageReader(int)(picture()).why.startswith("TypeError: int()")  # an error of the transform gives a bad item


def test_the_source_is_not_changed() -> None:
    source = Image.fromarray(picture()).convert("L")
    source.info["note"] = "kept"
    ImageReader().read(source)
    assert (source.mode, source.info) == ("L", {"note": "kept"})


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "CMYK"])
def test_a_picture_may_keep_its_own_colors(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(pixels).convert(mode).save(path, exif=exif)
    read = ImageReader(own_colors=True).read(path)
    assert (read.mode, read.size) == (mode, (5, 7))
    np.testing.assert_array_equal(np.asarray(read.convert("RGB")), np.asarray(ImageReader().read(path)))


def test_grey_of_16_bits_is_scaled_even_with_own_colors(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 3), 65535, dtype=np.uint16)).save(tmp_path / "a.png")
    read = ImageReader(own_colors=True).read(tmp_path / "a.png")
    assert (read.mode, read.getpixel((0, 0))) == ("RGB", (255, 255, 255))

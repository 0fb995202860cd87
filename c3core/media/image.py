"""Reading pictures: a path, a PIL image or an array to an upright RGB picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from c3core.contracts import Reader
from c3core.errors import C3Error, CorruptFile
from c3core.media.files import regular_file

# Only these: Pillow would otherwise hand an EPS file to an outside program.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")

MAX_RATIO = 256  # of the sides: a picture of 1 x 2000 pixels made 224 high would have 100 million

_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageReader(Reader):
    """An RGB `PIL.Image.Image`, or what `transform` makes of it.

    Sources: the path of a JPEG, PNG, WebP, GIF (first frame), TIFF (first page) or BMP file, known by its content
    and not by its name; a PIL image; a uint8 array (height, width, 3).

    The EXIF orientation is applied. Colours become RGB as PIL's `convert("RGB")` does it, because encoders were trained
    so: grey is repeated, a palette is looked up, alpha is dropped (what lies under a transparent pixel shows), CMYK is
    converted without its colour profile. Grey of 12 or 16 bits is scaled to 8 (PIL would clip it). Pixels of 32 bits
    are refused: nothing says what is white.

    A file that is broken or truncated is refused rather than filled with grey. So is a picture that is more than 256
    times as long as wide, which no model was made for and which resizing would blow up, and one of more than
    `max_pixels` pixels, before it is unpacked; Pillow itself refuses twice its `Image.MAX_IMAGE_PIXELS` whatever is
    given here. `transform` must be picklable for use in worker processes.

    With `own_colours` a picture comes upright but with the colours of its file (RGBA, a palette, CMYK): for a
    `transform` that resizes first and converts after, as some models were given their pictures. Grey of 16 bits becomes
    RGB all the same.

    >>> ImageReader().read(np.zeros((4, 6, 3), dtype=np.uint8)).size
    (6, 4)
    """

    def __init__(
        self,
        transform: Callable[[Image.Image], Any] | None = None,
        *,
        max_pixels: int = 89_478_485,
        own_colours: bool = False,
    ) -> None:
        self.transform, self.max_pixels, self.own_colours = transform, max_pixels, own_colours

    def read(self, source: Any) -> Any:
        """The RGB picture, transformed if there is a transform. Raises `C3Error` with the reason."""
        picture = self._picture(source)
        return picture if self.transform is None else self.transform(picture)

    def _picture(self, source: Any) -> Image.Image:
        if isinstance(source, Image.Image):
            return self._upright(source)
        if isinstance(source, np.ndarray):
            return self._upright(_from_array(source))
        if not isinstance(source, str | os.PathLike):
            kind = type(source).__name__
            raise C3Error(f"a picture must be a path, a PIL image or a uint8 array (h, w, 3), not {kind}")
        path = regular_file(source)
        try:
            with Image.open(path, formats=FORMATS) as opened:
                self._check_size(opened)
                if opened.format == "PNG":
                    _verify(path)
                return self._upright(opened)
        except C3Error:
            raise
        except UnidentifiedImageError as error:
            raise CorruptFile(
                f"is no picture of a known format ({', '.join(FORMATS)}), or its head is broken"
            ) from error
        except Image.DecompressionBombError as error:
            raise C3Error(f"the picture has more than {self.max_pixels} pixels, which is the limit") from error
        except Exception as error:  # a codec may raise anything on a broken file
            raise CorruptFile(f"the picture is broken or truncated: {error or type(error).__name__}") from error

    def _check_size(self, picture: Image.Image) -> None:
        check_sides(*picture.size, self.max_pixels)

    def _upright(self, picture: Image.Image) -> Image.Image:
        self._check_size(picture)
        _load(picture)
        turn = _UPRIGHT.get(_orientation(picture))
        upright = picture.copy() if self.own_colours and not picture.mode.startswith(("I", "F")) else _rgb(picture)
        if turn is not None:
            upright = upright.transpose(turn)
        upright.info = {}  # else a picture that is read again would be turned again
        return upright


def check_sides(width: int, height: int, max_pixels: int, what: str = "the picture has") -> None:
    """Refuse what has no pixels, more than `max_pixels`, or one side far longer than the other."""
    if width < 1 or height < 1:
        raise C3Error(f"{what} no pixels")
    if width * height > max_pixels:
        raise C3Error(f"{what} {width} x {height} pixels, more than the limit of {max_pixels}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise C3Error(f"{what} {width} x {height} pixels: one side is more than {MAX_RATIO} times the other")


def _from_array(array: np.ndarray[Any, Any]) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise C3Error(f"a picture as an array must be uint8 (h, w, 3), got {array.dtype} {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _load(picture: Image.Image) -> None:
    # Other libraries set this switch for the whole process; with it, half a file reads as half a picture.
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        picture.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _verify(path: str) -> None:
    """Check every checksum of a PNG: decoding alone passes over those of the pixels."""
    with Image.open(path, formats=("PNG",)) as again:
        again.verify()


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. Broken EXIF beside good pixels is common in photos and counts as upright."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # the EXIF parser may raise anything
        return 1


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PNG"):
        raise C3Error("the picture has 32-bit pixels, and nothing says what is white: save it with 8 or 16 bits")
    if picture.mode.startswith("I"):  # grey of 16 bits; a PNG's comes as "I" from some versions of Pillow
        grey, tags = np.asarray(picture).astype(np.uint32), getattr(picture, "tag_v2", {})
        white = 2 ** tags.get(_BITS, (16,))[0] - 1  # a TIFF may use 12 of them
        if tags.get(_PHOTOMETRIC) == 0:  # a TIFF whose 0 is white
            grey = white - grey
        return Image.fromarray(((grey * 255 + white // 2) // white).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")

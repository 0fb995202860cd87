"""Read pictures: a path, a PIL image or an array becomes an upright RGB picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError, features

from c3core.contracts import Reader
from c3core.contracts.dataset_cell import plain_source
from c3core.errors import C3Error, CorruptFile, NotInstalled
from c3core.media.files import regular_file

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")  # of others, Pillow hands EPS files to another program
ADVICE = {  # for a format that is read only with these, by how its files begin after 4 bytes
    b"ftyphei": ("HEIF", 'HEIC picture. To read it, run: pip install "c3core[heif]"'),
    b"ftypmif": ("HEIF", 'HEIF picture. To read it, run: pip install "c3core[heif]"'),
    b"ftypavi": ("AVIF", "AVIF picture. To read it, run: pip install -U pillow"),
}
MAX_PIXELS = 89_478_485  # where Pillow begins to warn
MAX_RATIO = 256  # of the sides: a picture of 1 x 2000 pixels, resized to a height of 224, would have 100 million pixels

_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@cache
def formats() -> tuple[str, ...]:
    """The formats that are read, by the names of Pillow. Newer releases of it read AVIF, and pillow-heif HEIC."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return (*FORMATS, *(("AVIF",) if features.check("avif") else ()), *(("HEIF",) if "HEIF" in Image.OPEN else ()))


class ImageReader(Reader):
    """Read an RGB `PIL.Image.Image`, or what `transform` makes of it.

    Sources: the path of a JPEG, PNG, WebP or GIF (first frame), TIFF (first page), BMP or AVIF file, or of a HEIC file
    if pillow-heif is installed, which is known by its content and not by its name; the bytes of such a file; a PIL
    image; a uint8 array (height, width, 3), or (height, width) of a grey one.

    The EXIF orientation is applied. Colors become RGB as PIL's `convert("RGB")` makes them, because encoders were
    trained on such pictures: grey is repeated, a palette is looked up, alpha is dropped (the color of a transparent
    pixel shows), CMYK is converted without its color profile. Grey of 12 or 16 bits is scaled to 8 bits (PIL would
    clip it). Pixels of 32 bits are refused, because the file does not say which value is white.

    A broken or truncated file is refused, never filled with grey. So is a picture with one side more than 256 times as
    long as the other, and one of more than `max_pixels` pixels; both are checked before the file is decoded. Pillow
    itself refuses more than twice its `Image.MAX_IMAGE_PIXELS`.

    `own_colors` keeps the color mode of the file (RGBA, a palette, CMYK), for a `transform` that resizes before it
    converts to RGB. Grey of 16 bits becomes RGB all the same. A worker process can use `transform` if it is picklable.

    >>> ImageReader().read(np.zeros((4, 6, 3), dtype=np.uint8)).size
    (6, 4)
    """

    def __init__(
        self,
        transform: Callable[[Image.Image], Any] | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        own_colors: bool = False,
    ) -> None:
        self.transform, self.max_pixels, self.own_colors = transform, max_pixels, own_colors

    def read(self, source: Any) -> Any:
        """Return the picture, transformed if there is a transform. Raises `C3Error` with the reason."""
        if isinstance(source, Image.Image):
            picture = self._upright(source)
        elif isinstance(source, np.ndarray):
            picture = self._upright(_from_array(source))
        elif isinstance(source, str | os.PathLike):
            picture = self._from_file(regular_file(source))
        elif isinstance(source, bytes):
            with plain_source({"bytes": source}) as path:
                picture = self._from_file(regular_file(path))
        else:
            kind = type(source).__name__
            raise C3Error(
                f"a picture must be a path, a file's bytes, a PIL image or a uint8 array (h, w, 3), not {kind}"
            )
        return picture if self.transform is None else self.transform(picture)

    def _from_file(self, path: str) -> Image.Image:
        try:
            with Image.open(path, formats=formats()) as opened:
                picture = self._upright(opened)
            if opened.format == "PNG":  # decoding does not compare the checksums of the pixels
                with Image.open(path, formats=("PNG",)) as again:
                    again.verify()
            return picture
        except C3Error:
            raise
        except UnidentifiedImageError as error:
            with open(path, "rb") as file:
                kind, advice = ADVICE.get(file.read(11)[4:], ("", ""))
            if advice and kind not in formats():
                raise NotInstalled(f"is a {advice}") from None
            known = ", ".join(formats())
            raise CorruptFile(f"is no picture of a known format ({known}), or its header is broken") from error
        except Image.DecompressionBombError as error:
            raise C3Error(f"the picture has more pixels than the limit of {self.max_pixels}") from error
        except Exception as error:  # a codec may raise anything on a broken file
            raise CorruptFile(f"the picture is broken or truncated: {error or type(error).__name__}") from error

    def _upright(self, picture: Image.Image) -> Image.Image:
        """Decode and convert a picture, and turn it upright."""
        check_sides(*picture.size, self.max_pixels)
        _load(picture)
        transpose = _TRANSPOSE.get(_orientation(picture))
        keep = self.own_colors and not picture.mode.startswith(("I", "F"))
        upright = picture.copy() if keep else _to_rgb(picture)
        if transpose is not None:
            upright = upright.transpose(transpose)
        upright.info = {}  # without the orientation, so that it is not applied again when this picture is read
        return upright


def check_sides(width: int, height: int, max_pixels: int, what: str = "the picture has") -> None:
    """Raise `C3Error` for no pixels, for more than `max_pixels`, or if one side is far longer than the other."""
    if width < 1 or height < 1:
        raise C3Error(f"{what} no pixels")
    if width * height > max_pixels:
        raise C3Error(f"{what} {width} x {height} pixels, more than the limit of {max_pixels}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise C3Error(f"{what} {width} x {height} pixels: one side is more than {MAX_RATIO} times the other")


def _from_array(array: np.ndarray[Any, Any]) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or array.shape[2:] == (3,)) or array.size == 0:
        raise C3Error(f"a picture as an array must be uint8 (h, w, 3) or (h, w), got {array.dtype} {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _load(picture: Image.Image) -> None:
    # Other libraries set this switch for the whole process; half a file would then read as half a picture.
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        picture.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8. Broken EXIF, which is common in photos, counts as upright (1)."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # the EXIF parser may raise anything
        return 1


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PNG"):
        raise C3Error("the picture has 32-bit pixels, and does not say which is white: save it with 8 or 16 bits")
    if picture.mode.startswith("I"):  # grey of 16 bits; some versions of Pillow open such a PNG as "I"
        grey, tags = np.asarray(picture).astype(np.uint32), getattr(picture, "tag_v2", {})
        white = 2 ** tags.get(_BITS, (16,))[0] - 1  # a TIFF may use 12 of them
        if tags.get(_PHOTOMETRIC) == 0:  # a TIFF in which 0 is white
            grey = white - grey
        return Image.fromarray(((grey * 255 + white // 2) // white).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")

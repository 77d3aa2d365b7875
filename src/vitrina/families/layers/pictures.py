"""A picture file, as bytes → an upright Pillow image; Pillow is imported when one is read."""

from __future__ import annotations

import base64
import binascii
import io
from typing import TYPE_CHECKING

from vitrina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG")
MOST = 64_000_000
"""Pixels unpacked at a time: a file of some kilobytes may hold gigabytes of them."""


def opened(content: bytes, mode: str, largest: int, formats: tuple[str, ...] = FORMATS, near: int = 0) -> Image:
    """The picture in a Pillow mode (`L`, `RGB`), turned as its camera was held; of an animation the first frame.

    Args:
        near: a JPEG may be read at a smaller size, down to this many pixels a side: much faster; 0: as it is.

    Raises:
        DataError: when it is no readable file of one of the `formats`, or has more than `largest` pixels a side or
            `MOST` in all.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if max(image.size) > largest:
                raise DataError(f"An image may be {largest} pixels a side at most; this has {max(image.size)}.")
            if near:
                image.draft(mode, (near, near))
            if image.width * image.height > MOST:
                raise _too_many()
            return ImageOps.exif_transpose(image).convert(mode)
    except Image.DecompressionBombError as error:
        raise _too_many() from error
    except (OSError, ValueError, SyntaxError) as error:  # Pillow's many ways to say no
        named = " or ".join([", ".join(formats[:-1]), formats[-1]] if len(formats) > 1 else formats)
        raise DataError(f"An image must be a {named} file; this cannot be read as one.") from error


def _too_many() -> DataError:
    return DataError(f"An image may have {MOST // 10**6} million pixels at most; this has more.")


def decoded(text: str) -> bytes:
    """The bytes that base64 `text` stands for; a `data:` URI is read too.

    Raises:
        DataError: when it is not base64.
    """
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError("An image must be base64 of a PNG or JPEG file; this is not base64.") from error

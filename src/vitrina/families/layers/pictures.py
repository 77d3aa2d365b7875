"""A picture file, as bytes → an upright Pillow image; Pillow is imported when one is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from vitrina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG")


def opened(content: bytes, mode: str, largest: int) -> Image:
    """The picture in a Pillow mode (`L`, `RGB`), turned as its camera was held.

    Raises:
        DataError: when it is no readable PNG or JPEG, or has more than `largest` pixels a side.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if max(image.size) > largest:
                raise DataError(f"An image may be {largest} pixels a side at most; this has {max(image.size)}.")
            return ImageOps.exif_transpose(image).convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's many ways to say no
        raise DataError("An image must be a PNG or JPEG file; this cannot be read as one.") from error

"""A product photo, as bytes → what the vision encoder reads; Pillow and NumPy only."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from vitrina.errors import DataError

LARGEST = 20_000


def read(jpeg: bytes, side: int) -> np.ndarray:
    """One photo, its middle square: uint8 (3, side, side).

    Raises:
        DataError: when it is no readable picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            if max(image.size) > LARGEST:
                raise DataError(f"A photo may be {LARGEST} pixels a side at most; this has {max(image.size)}.")
            square = ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), (side, side))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's many ways to say no
        raise DataError("A photo cannot be read as a picture.") from error
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def read_all(jpegs: Sequence[object], side: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (products, 3, side, side), and which products have a photo; an unreadable one counts as none."""
    pixels = np.zeros((len(jpegs), 3, side, side), dtype=np.uint8)
    known = np.zeros(len(jpegs), dtype=bool)
    for i, jpeg in enumerate(jpegs):
        if isinstance(jpeg, bytes) and jpeg:
            try:
                pixels[i], known[i] = read(jpeg, side), True
            except DataError:
                continue
    return pixels, known

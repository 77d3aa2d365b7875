"""Photos as bytes → pixels; Pillow and NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrina.errors import DataError
from vitrina.families.layers.pictures import opened

LARGEST = 20_000
"""Pixels a side, as the `images` table allows."""


def read_photos(contents: Sequence[bytes], side: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (photos, channels, side, side), and which could be read."""
    pixels = np.zeros((len(contents), channels, side, side), dtype=np.uint8)
    readable = np.zeros(len(contents), dtype=bool)
    for place, content in enumerate(contents):
        try:
            pixels[place], readable[place] = read_photo(content, side, channels), True
        except DataError:
            continue
    return pixels, readable


def read_photo(content: bytes, side: int, channels: int) -> np.ndarray:
    """The middle square of one photo: uint8 (channels, side, side)."""
    from PIL import ImageOps

    plain = opened(content, "L" if channels == 1 else "RGB", LARGEST)
    square = np.asarray(ImageOps.fit(plain, (side, side)))
    return square[None] if channels == 1 else np.ascontiguousarray(square.transpose(2, 0, 1))

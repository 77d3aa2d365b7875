"""A product photo, as bytes → what the vision encoder reads; Pillow and NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrina.errors import DataError
from vitrina.families.layers.pictures import FORMATS, opened

LARGEST = 20_000
"""Pixels a side, as the `images` table allows."""


def read(jpeg: bytes, side: int, formats: tuple[str, ...] = FORMATS, near: int = 0, *, channels: int = 3) -> np.ndarray:
    """One photo, its middle square: uint8 (channels, side, side), 1 channel is grey; see `pictures.opened`.

    Raises:
        DataError: when it is no readable file of these formats.
    """
    from PIL import ImageOps

    mode = "L" if channels == 1 else "RGB"
    square = np.asarray(ImageOps.fit(opened(jpeg, mode, LARGEST, formats, near), (side, side)))
    return square[None] if channels == 1 else np.ascontiguousarray(square.transpose(2, 0, 1))


def read_all(jpegs: Sequence[object], side: int, *, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (products, channels, side, side), and which products have a photo; an unreadable one counts as none."""
    pixels = np.zeros((len(jpegs), channels, side, side), dtype=np.uint8)
    known = np.zeros(len(jpegs), dtype=bool)
    for i, jpeg in enumerate(jpegs):
        if isinstance(jpeg, bytes) and jpeg:
            try:
                pixels[i], known[i] = read(jpeg, side, channels=channels), True
            except DataError:
                continue
    return pixels, known

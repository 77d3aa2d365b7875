"""A product photo, as bytes → what the vision encoder reads; Pillow and NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrina.errors import DataError
from vitrina.families.layers.pictures import FORMATS, opened

LARGEST = 20_000
"""Pixels a side, as the `images` table allows."""


def read(jpeg: bytes, side: int, formats: tuple[str, ...] = FORMATS, near: int = 0) -> np.ndarray:
    """One photo, its middle square: uint8 (3, side, side); see `pictures.opened`.

    Raises:
        DataError: when it is no readable file of these formats.
    """
    from PIL import ImageOps

    square = ImageOps.fit(opened(jpeg, "RGB", LARGEST, formats, near), (side, side))
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

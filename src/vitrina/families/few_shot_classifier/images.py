"""A picture, as bytes or base64 → what the image encoder reads; Pillow and NumPy only."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from vitrina.families.layers.pictures import decoded, opened

__all__ = ["decoded", "encoded", "framed", "pixels", "png", "read", "views"]

INK = 64
"""Grey value (0-255, inverted) above which a pixel is part of a drawing."""

DISTORTIONS = ((0.99, 0.99, 0.14, -0.14), (0.99, 0.99, -0.14, 0.14), (0.88, 1.12, 0.0, 0.0), (1.12, 0.88, 0.0, 0.0))
"""Scale across and down, skew and turn of the further views: a little to the left, to the right, wider, taller."""

MARGIN = 0.08
LARGEST = 4096


def encoded(content: bytes) -> str:
    """`content` as base64 text."""
    return base64.b64encode(content).decode("ascii")


def read(content: bytes, side: int, drawing: bool) -> np.ndarray:
    """One PNG or JPEG at the encoder's resolution: uint8 (channels, side, side).

    A drawing becomes one channel of ink (high) cut to what is drawn; a photo three channels, cut to its middle square.

    Raises:
        DataError: when it is no readable PNG or JPEG, or larger than 4096 pixels a side.
    """
    from PIL import ImageOps

    plain = opened(content, "L" if drawing else "RGB", LARGEST)
    if drawing:
        return framed(np.asarray(plain), side)[None]
    square = ImageOps.fit(plain, (side, side))
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def framed(grey: np.ndarray, side: int) -> np.ndarray:
    """The strokes of a drawing, high on a dark ground, centred and as large as the paper: uint8 (side, side).

    The ground is what most of the border shows, so that white on black and black on white read alike.
    """
    from PIL import Image

    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = 255 - grey if np.median(border) > 127 else grey
    rows, columns = (np.flatnonzero((ink > INK).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return np.zeros((side, side), dtype=np.uint8)
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    paper = max(round(max(cut.shape) * (1 + 2 * MARGIN)), 12)
    page = np.zeros((paper, paper), dtype=np.uint8)
    top, left = (paper - cut.shape[0]) // 2, (paper - cut.shape[1]) // 2
    page[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return np.asarray(Image.fromarray(page).resize((side, side), Image.Resampling.BILINEAR))


def png(image: np.ndarray) -> bytes:
    """An image as `read` gives it, as a PNG file that reads back almost the same."""
    from PIL import Image

    content = io.BytesIO()
    plain = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(plain).save(content, "PNG", optimize=True)
    return content.getvalue()


def views(image: np.ndarray, count: int) -> np.ndarray:
    """The image itself and slight distortions of it, whose embeddings are averaged: (count, channels, side, side)."""
    from PIL import Image

    side = image.shape[-1]
    found = [image]
    for across, down, skew, turn in DISTORTIONS[: count - 1]:
        # Pillow asks where each pixel of the result comes from; the middle stays where it is.
        shift = [(side - side * (across + skew)) / 2, (side - side * (turn + down)) / 2]
        matrix = (across, skew, shift[0], turn, down, shift[1])
        bent = [
            Image.fromarray(plane).transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
            for plane in image
        ]
        found.append(np.stack([np.asarray(plane) for plane in bent]))
    return np.stack(found)


def pixels(images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """What the encoder reads: uint8 (images, channels, side, side) → float32 0–1."""
    return np.asarray(images, dtype=np.float32) / 255

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vitrina.errors import DataError
from vitrina.families.layers import photos


def jpeg(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(content, "JPEG")
    return content.getvalue()


def test_a_photo_becomes_a_square_of_its_middle():
    picture = Image.new("RGB", (90, 30), (255, 0, 0))
    picture.paste((0, 0, 255), (30, 0, 60, 30))
    content = io.BytesIO()
    picture.save(content, "PNG")
    pixels = photos.read(content.getvalue(), 30)
    assert pixels.shape == (3, 30, 30)
    assert pixels[2].mean() > 240
    assert pixels[0].mean() < 15


def test_what_is_no_picture_is_refused():
    with pytest.raises(DataError, match="cannot be read"):
        photos.read(b"not a picture", 32)


def test_products_without_a_readable_photo_have_none():
    pixels, known = photos.read_all([jpeg(40, 40, (0, 255, 0)), None, b"", float("nan"), b"torn"], 32)
    assert known.tolist() == [True, False, False, False, False]
    assert pixels.dtype == np.uint8
    assert pixels[0, 1].mean() > 240
    assert not pixels[1:].any()

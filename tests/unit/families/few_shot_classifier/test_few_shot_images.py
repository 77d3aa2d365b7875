"""Pictures as the encoder reads them, whatever their size, colours and format; what is no picture is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.few_shot_models import drawing
from vitrina.errors import DataError
from vitrina.families.few_shot_classifier import images


def saved(pixels: np.ndarray, format: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format)
    return content.getvalue()


def stroke(left: int, width: int, paper: int, ink: int, side: int = 100) -> np.ndarray:
    page = np.full((side, side), paper, dtype=np.uint8)
    page[20:60, left : left + width] = ink
    return page


def test_a_drawing_reads_alike_wherever_it_lies_and_in_either_colour() -> None:
    first = images.read(saved(stroke(10, 4, 255, 0)), 32, True)
    assert first.shape == (1, 32, 32)
    assert first.max() > 200
    assert first[0, 0].max() == 0
    for other in (stroke(70, 4, 255, 0), stroke(10, 4, 0, 255), stroke(40, 4, 255, 0, side=140)):
        np.testing.assert_array_equal(images.read(saved(other), 32, True), first)


def test_a_photo_keeps_its_colours_and_its_middle() -> None:
    photo = np.zeros((50, 100, 3), dtype=np.uint8)
    photo[:, 25:75, 0] = 250
    read = images.read(saved(photo), 32, False)
    assert read.shape == (3, 32, 32)
    assert read[0].min() > 200
    assert read[1:].max() == 0


def test_blank_paper_is_empty_and_not_an_error() -> None:
    assert images.read(saved(np.full((30, 30), 255, dtype=np.uint8)), 32, True).max() == 0


def test_what_is_logged_reads_back_almost_the_same() -> None:
    first = images.read(drawing(3, 1), 56, True)
    content = images.png(first)
    assert len(content) < 3000
    again = images.read(content, 56, True)
    assert np.abs(images.pixels([first]) - images.pixels([again])).mean() < 0.02


def test_pixels_lie_between_zero_and_one() -> None:
    assert images.pixels([np.array([[[0, 255]]], dtype=np.uint8)]).tolist() == [[[[0.0, 1.0]]]]


def test_views_are_the_image_and_slight_distortions_about_its_middle() -> None:
    image = images.read(drawing(3, 1), 56, True)
    seen = images.views(image, 5)
    assert seen.shape == (5, 1, 56, 56)
    assert np.array_equal(seen[0], image)
    assert np.array_equal(images.views(image, 1), image[None])
    grids = np.stack(np.meshgrid(np.arange(56), np.arange(56)), -1)
    middles = [(view[0][..., None] * grids).sum((0, 1)) / view.sum() for view in seen]
    assert np.abs(np.array(middles) - middles[0]).max() < 3
    flat = seen.reshape(5, -1) / np.linalg.norm(seen.reshape(5, -1).astype(float), axis=1, keepdims=True)
    alike = flat @ flat[0]
    assert ((alike[1:] < 0.98) & (alike[1:] > 0.3)).all()


def test_a_data_uri_is_base64_with_a_head() -> None:
    text = base64.b64encode(b"abc").decode()
    assert images.decoded(f"data:image/png;base64,{text}") == images.decoded(text) == b"abc"


@pytest.mark.parametrize("text", ["not base64!", "YQ=", "ñ"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="not base64"):
        images.decoded(text)


@pytest.mark.parametrize(
    "content", [b"", b"no image", saved(np.zeros((9, 9), dtype=np.uint8), "GIF"), drawing(1, 1)[:200]]
)
def test_what_is_no_readable_png_or_jpeg_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="PNG or JPEG"):
        images.read(content, 32, True)


def test_a_huge_picture_is_refused_before_it_is_unpacked() -> None:
    content = io.BytesIO()
    Image.new("1", (5000, 10)).save(content, "PNG")
    with pytest.raises(DataError, match="4096 pixels a side at most; this has 5000"):
        images.read(content.getvalue(), 32, True)

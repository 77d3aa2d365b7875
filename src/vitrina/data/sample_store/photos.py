"""Product photos drawn by code: a silhouette in the product's colour and pattern on a studio background."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from vitrina.data.sample_store.grammar import vocabulary

SIDE = 96  # pixels
SCALE = 2  # drawn larger and reduced: smooth edges
LOOK = ("shape", "colour", "pattern")


def draw_photos(products: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One photo a product, as the `images` table; `products` has image_id, product_id, shape, colour, pattern."""
    colours = {name: tuple(rgb) for name, _, rgb in vocabulary("catalogue")["colours"]}
    jpegs = [
        draw(shape, colours[colour], pattern, rng)
        for shape, colour, pattern in zip(*(products[name] for name in LOOK), strict=True)
    ]
    columns = {"image_id": products["image_id"], "product_id": products["product_id"], "jpeg": jpegs}
    return pd.DataFrame({**columns, "width": SIDE, "height": SIDE})


def draw(shape: str, colour: Sequence[int], pattern: str, rng: np.random.Generator) -> bytes:
    """A JPEG of SIDE × SIDE pixels; place, size, tint, light and grain vary with `rng`."""
    side = SIDE * SCALE
    light = int(rng.integers(215, 250))
    background = _gradient(side).point(lambda value: light - value // 12)
    mask = _silhouette(shape, side, rng)
    cloth = Image.new("RGB", (side, side), _tinted(colour, rng))
    _decorate(cloth, pattern, colour, rng)
    shadow = ImageChops.offset(mask, 3 * SCALE, 3 * SCALE).filter(ImageFilter.GaussianBlur(4 * SCALE))
    photo = Image.merge("RGB", [background] * 3)
    photo.paste((120, 120, 120), mask=shadow.point(lambda value: value // 3))
    photo.paste(cloth, mask=mask)
    outline = ImageChops.subtract(mask, mask.filter(ImageFilter.MinFilter(3)))
    photo.paste((70, 70, 70), mask=outline.point(lambda value: value // 2))
    photo = photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    grain = rng.normal(0, 3, (SIDE, SIDE, 1))
    noisy = np.clip(np.asarray(photo, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(noisy).save(content, "JPEG", quality=85)
    return content.getvalue()


@cache
def _gradient(side: int) -> Image.Image:
    return Image.linear_gradient("L").resize((side, side))


def _silhouette(shape: str, side: int, rng: np.random.Generator) -> Image.Image:
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    size = rng.uniform(0.8, 1.0)
    shift = rng.uniform(-0.04, 0.04, 2)
    for kind, numbers in vocabulary("shapes")[shape]:
        points = (np.reshape(numbers, (-1, 2)) - 0.5) * size + 0.5 + shift
        flat = [float(value) for value in (points * side).ravel()]
        match kind:
            case "polygon":
                pen.polygon(flat, fill=255)
            case "ellipse":
                pen.ellipse(flat, fill=255)
            case "ring":
                pen.ellipse(flat, outline=255, width=side // 22)
            case _:
                pen.rounded_rectangle(flat, radius=side // 30, fill=255)
    return mask


def _tinted(colour: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(np.clip(value + rng.integers(-12, 13), 0, 255)) for value in colour)


def _decorate(cloth: Image.Image, pattern: str, colour: Sequence[int], rng: np.random.Generator) -> None:
    """Stripes or dots in a tone that contrasts with `colour`."""
    pen = ImageDraw.Draw(cloth)
    step = int(rng.integers(9, 14)) * SCALE
    tone = (235, 235, 230) if sum(colour) < 380 else (70, 70, 80)
    if pattern == "striped":
        for top in range(0, cloth.height, step):
            pen.rectangle((0, top, cloth.width, top + step // 3), fill=tone)
    elif pattern == "dotted":
        for top in range(0, cloth.height, step):
            for left in range(0, cloth.width, step):
                pen.ellipse((left, top, left + step // 3, top + step // 3), fill=tone)

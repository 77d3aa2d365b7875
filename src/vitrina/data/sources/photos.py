"""A folder of product photos named `<product_id>.jpg` or `<product_id>_<anything>.png` and so on."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError

from vitrina.data.sources import RawRows, Rejected
from vitrina.errors import DataError

TABLE = "images"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LONGEST_SIDE = 512  # pixels; no encoder of ours reads more
QUALITY = 90


def matches(folder: Path) -> bool:
    """Whether photos lie directly in `folder`."""
    return bool(_photos(folder))


def read(folder: Path) -> RawRows:
    """Every photo as an RGB JPEG of at most 512 pixels a side; a file that is no image is rejected."""
    rows: dict[int, tuple[str, str, bytes, int, int]] = {}
    rejected: list[Rejected] = []
    for number, path in enumerate(_photos(folder), 1):
        try:
            with Image.open(path) as photo:
                jpeg, width, height = _as_jpeg(photo)
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            rejected.append(Rejected(number, f"not a readable image: {error}", path.name))
            continue
        rows[number] = (path.stem, path.stem.split("_", 1)[0], jpeg, width, height)
    if not rows:
        raise DataError(f"{folder} has no readable photo ({', '.join(sorted(SUFFIXES))}).")
    columns = ["image_id", "product_id", "jpeg", "width", "height"]
    return RawRows(pd.DataFrame(list(rows.values()), index=list(rows), columns=columns), rejected)


def _photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _as_jpeg(photo: Image.Image) -> tuple[bytes, int, int]:
    upright = ImageOps.exif_transpose(photo).convert("RGB")
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    content = io.BytesIO()
    upright.save(content, "JPEG", quality=QUALITY)
    return content.getvalue(), upright.width, upright.height

"""Catalogue, photos and reviews → splits, and splits → training rows.

A row is a product, whose photo is the bytes in `image`, or a review (`review`, with its rating).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from vitrina.errors import DataError
from vitrina.families.layers.pictures import decoded
from vitrina.families.layers.product_heads import rows as product_rows
from vitrina.families.multimodal_product.configuration import Options

if TYPE_CHECKING:
    import pandas as pd


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Split products by their title and reviews by their text, each product with its photo; see `DataModule.prepare`.

    Raises:
        DataError: when a split ends empty, or nothing in the training rows can be told apart.
    """
    import pandas as pd

    options = cast(Options, options)
    photos = photos_of(pd.read_parquet(tables["images"])) if "images" in tables else {}
    for name, part in product_rows.split_rows(tables, options, seed).items():
        named = part["title"].notna() if "title" in part else pd.Series(False, index=part.index)
        pictures = [
            photos.get(str(product)) if is_product else None
            for product, is_product in zip(part["product_id"], named, strict=True)
        ]
        whole = part.assign(image=pd.Series(pictures, index=part.index, dtype=object))
        product_rows.write_rows(whole, output / f"{name}.parquet", pictures=True)


def photos_of(images: pd.DataFrame) -> dict[str, bytes]:
    """product_id → the bytes of its first photo."""
    first = images.dropna(subset=["jpeg"]).sort_values("image_id", kind="stable").drop_duplicates("product_id")
    return dict(zip(first["product_id"].astype(str), first["jpeg"], strict=True))


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Rows to evaluate: a split of a prepared folder, or one file of products or reviews.

    As for the product classifier; `image` holds a photo: bytes in Parquet, base64 text in CSV and JSON.

    Raises:
        UsageError: when there is no such file or split.
        DataError: when a column is missing or cannot be read.
    """
    frame = product_rows.read_examples(path, split)
    if "image" in frame:
        frame["image"] = [_bytes(value, number, path) for number, value in enumerate(frame["image"], 1)]
    return frame


def _bytes(value: Any, number: int, path: Path) -> bytes | None:
    if isinstance(value, bytes):
        return value or None
    if not isinstance(value, str) or not value:
        return None
    try:
        return decoded(value)
    except DataError as error:
        raise DataError(f"{path}, row {number}: {error}") from error

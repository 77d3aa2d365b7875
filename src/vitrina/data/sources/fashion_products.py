"""Fashion Product Images (P. Aggarwal, Kaggle): 43,488 products of a fashion shop, without prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.data.sources import RawRows, files

TABLE = "catalogue"
FILE = "products.csv.gz"
LEVELS = ["masterCategory", "subCategory", "articleType"]
ATTRIBUTES = {"gender": "gender", "baseColour": "colour", "season": "season", "usage": "usage", "year": "year"}


def matches(folder: Path) -> bool:
    """Whether the metadata of the set lie in `folder`."""
    return (folder / FILE).is_file()


def read(folder: Path) -> RawRows:
    """Name, three-level category path and attributes; unlabelled products have neither category nor attributes."""
    rows = files.read(folder / FILE).frame
    labelled = rows[LEVELS].notna().all(axis=1)
    path = rows[LEVELS].fillna("").astype(str).agg(PATH_SEPARATOR.join, axis=1)
    frame = pd.DataFrame(
        {
            "product_id": rows["id"].astype(str),
            "title": rows["productDisplayName"],
            "category": path.where(labelled, None),
            "attributes": [_attributes(values) for values in rows[list(ATTRIBUTES)].itertuples(index=False)],
            "image_id": rows["id"].astype(str).where(_flag(rows["has_image"]), None),
            "language": "en",
        },
        index=rows.index,
    )
    return RawRows(frame)


def _attributes(values: tuple[Any, ...]) -> dict[str, str] | None:
    named = zip(ATTRIBUTES.values(), values, strict=True)
    known = {name: str(value).removesuffix(".0") for name, value in named if pd.notna(value)}
    return known or None


def _flag(values: pd.Series) -> pd.Series:
    return values.astype(str).str.lower() == "true"

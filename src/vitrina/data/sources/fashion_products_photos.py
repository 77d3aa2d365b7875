"""The photos of Fashion Product Images as `images`: 8,625 of them, 96 × 96; `fashion_products` reads the products."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, fashion_products

TABLE = "images"
FILE = "images.parquet"
SIDE = 96


def matches(folder: Path) -> bool:
    """Whether only the photos of the set lie in `folder`; beside the products, the layout has to be named."""
    return (folder / FILE).is_file() and not fashion_products.matches(folder)


def read(folder: Path) -> RawRows:
    """One photo a product, under the product's own id."""
    photos = pd.read_parquet(folder / FILE)
    names = photos["id"].astype(str)
    frame = pd.DataFrame(
        {"image_id": names, "product_id": names, "jpeg": photos["jpeg"], "width": SIDE, "height": SIDE}
    )
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))

"""The rows of the multimodal benchmark: fashion_products, held out among the products that have a photo."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data.splits import assign_splits, normalised
from vitrina.jobs import ingest, prepare

FAMILY = "multimodal_product"
REPORTED, CHOOSING = 0.2, 0.08


def prepared(source: Path, work: Path) -> Path:
    """The prepared folder: 20% of the names that have a photo are reported, 8% choose; every other product trains.

    Products without a photo learn by their names alone, unless a held-out product bears the same name.
    """
    data, set_folder = work / "splits", source / "fashion_products"
    if data.exists():
        return data
    tables = {name: work / f"{name}.parquet" for name in ("catalogue", "images")}
    ingest(set_folder, "catalogue", tables["catalogue"], layout="fashion_products")
    ingest(set_folder, "images", tables["images"], layout="fashion_products_photos")
    rows = pd.read_parquet(tables["catalogue"])
    rows = rows[rows["category"].notna()]
    photographed = rows["product_id"].isin(pd.read_parquet(tables["images"], columns=["product_id"])["product_id"])
    shares = {"validation": CHOOSING, "test": REPORTED}
    drawn = assign_splits(rows[photographed], ["title"], shares, 7)
    names = normalised(rows, ["title"])
    follows = dict(zip(names[photographed], drawn, strict=True))
    split = pd.Series([follows.get(name, "train") for name in names], index=rows.index)
    rows.assign(split=split).to_parquet(tables["catalogue"], index=False)
    prepare(FAMILY, tables, data)
    return data

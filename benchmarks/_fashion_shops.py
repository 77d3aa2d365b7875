"""The shops that the fashion recommender is measured on, as canonical tables in a folder."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd

from vitrina.contracts import TABLES
from vitrina.data.sample_store import Size, write_store
from vitrina.data.sources.fashion_products import read as read_fashion_products
from vitrina.data.tables import write_table

FASHION = 1500
NAMES = ("catalogue", "images", "reviews")
CLOTHING = "clothing_small > "
"""What the categories of clothing_small begin with among those of the other photos."""


def tables(folder: Path) -> dict[str, Path]:
    """The tables of a shop's folder, as `prepare` takes them."""
    return {name: folder / f"{name}.parquet" for name in NAMES}


def photographed(source: Path, folder: Path) -> Path:
    """A sample store with about five thousand reviews, and beside it photos of products that nobody reviewed.

    These are `FASHION` of fashion_products and the training photos of clothing_small.
    """
    store = folder / "store"
    write_store(store, Size(products=600, users=2000, interactions=100_000, messages=1), seed=11, only=NAMES)
    catalogues, photos = [pd.read_parquet(store / "catalogue.parquet")], [pd.read_parquet(store / "images.parquet")]
    real = read_fashion_products(source / "fashion_products").frame
    jpegs = pd.read_parquet(source / "fashion_products" / "images.parquet")
    jpegs = jpegs.assign(product_id=jpegs["id"].astype(str))[["product_id", "jpeg"]]
    jpegs = jpegs[jpegs["product_id"].isin(real["product_id"])].sample(FASHION, random_state=7)
    catalogues.append(real[real["product_id"].isin(jpegs["product_id"])])
    photos.append(jpegs)
    clothing = pd.read_parquet(source / "clothing_small" / "train.parquet")
    names = "clothing-" + clothing.index.astype(str)
    catalogues.append(pd.DataFrame({"product_id": names, "title": clothing["label"]}))
    catalogues[-1]["category"] = CLOTHING + clothing["label"]
    photos.append(pd.DataFrame({"product_id": names, "jpeg": clothing["jpeg"]}))
    _write(folder, pd.concat(catalogues, ignore_index=True), pd.concat(photos, ignore_index=True))
    (store / "reviews.parquet").rename(folder / "reviews.parquet")
    return folder


def amazon_fashion(source: Path, folder: Path) -> Path:
    """amazon_fashion_5core without photos, each customer's repeated text kept once: 28 products."""
    path = next((source / "amazon_fashion_5core").glob("*.json*"))
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        rows = pd.DataFrame([json.loads(line) for line in file])
    text = rows["reviewText"].fillna("").str.strip()
    rows = rows.assign(text=text.where(text != "", rows["summary"].fillna("")))
    rows = rows[rows["text"] != ""].drop_duplicates(["reviewerID", "text"]).reset_index(drop=True)
    products = pd.DataFrame({"product_id": sorted(rows["asin"].unique())})
    _write(folder, products.assign(title=products["product_id"]), pd.DataFrame(columns=["product_id", "jpeg"]))
    reviews = pd.DataFrame(
        {
            "review_id": [f"r{number}" for number in range(len(rows))],
            "user_id": rows["reviewerID"],
            "product_id": rows["asin"],
            "rating": rows["overall"].astype(int),
            "text": rows["text"],
            "timestamp": pd.to_datetime(rows["unixReviewTime"], unit="s", utc=True),
        }
    )
    write_table(_whole(reviews, "reviews"), TABLES["reviews"], folder / "reviews.parquet")
    return folder


def _write(folder: Path, catalogue: pd.DataFrame, photos: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_table(_whole(catalogue, "catalogue"), TABLES["catalogue"], folder / "catalogue.parquet")
    full = photos.assign(image_id=photos["product_id"], width=96, height=96)
    write_table(full[TABLES["images"].names], TABLES["images"], folder / "images.parquet")


def _whole(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """With all columns of a table; those that are not there hold nothing."""
    names = TABLES[table].names
    return frame.assign(**{name: None for name in names if name not in frame})[names]

"""A shop of three tastes, and a graph recommender trained on it: for several test folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

KINDS = ("Shirts", "Boots", "Lamps")
PRODUCTS, USERS, EVENTS = 60, 90, 10
START = pd.Timestamp("2025-01-01", tz="UTC")


def shop_tables(folder: Path) -> dict[str, Path]:
    """A catalogue of 60 products in three categories, and 90 users who stay with one category, written to `folder`."""
    rng = np.random.default_rng(0)
    colours = ("red", "blue", "green", "black")
    products = pd.DataFrame(
        {
            "product_id": [f"p{number:03d}" for number in range(PRODUCTS)],
            "title": [f"{colours[n % 4]} {KINDS[n % 3].lower()} number {n}" for n in range(PRODUCTS)],
            "category": [f"Shop > {KINDS[n % 3]}" for n in range(PRODUCTS)],
            "brand": [f"Brand {n % 5}" for n in range(PRODUCTS)],
            "price": [float(10 + n) for n in range(PRODUCTS)],
            "currency": "EUR",
            "attributes": [[("colour", colours[n % 4])] for n in range(PRODUCTS)],
        }
    )
    rows = []
    for user in range(USERS):
        for moment, place in enumerate(rng.permutation(PRODUCTS // 3)[:EVENTS]):
            product, when = int(place) * 3 + user % 3, START + pd.Timedelta(hours=24 * moment + user % 24)
            rows.append((f"u{user:03d}", f"p{product:03d}", "view", None, when))
            if rng.random() < 0.5:
                rows.append((f"u{user:03d}", f"p{product:03d}", "purchase", 1.0, when + pd.Timedelta(minutes=5)))
    interactions = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "value", "timestamp"])
    products.to_parquet(folder / "catalogue.parquet", index=False)
    interactions.sort_values("timestamp").to_parquet(folder / "interactions.parquet", index=False)
    return {name: folder / f"{name}.parquet" for name in ("catalogue", "interactions")}


def prepared(tables: dict[str, Path], folder: Path, **options: Any) -> Path:
    """The splits of the shop."""
    from vitrina.families.graph_recommender import data
    from vitrina.families.graph_recommender.configuration import Options

    folder.mkdir(parents=True, exist_ok=True)
    data.prepare(tables, folder, Options(**options), seed=7)
    return folder


def trained(data: Path, folder: Path, **overrides: Any) -> Path:
    """A model folder as the train job leaves it; `overrides`: dotted keys of the smoke preset."""
    from vitrina.jobs.train import train

    train("graph_recommender", data, folder, preset="smoke", overrides={"training.progress": False, **overrides})
    return folder

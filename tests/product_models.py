"""A small shop whose titles tell everything, and a product classifier trained on it: for several test folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

KINDS = {
    "shirt": "Clothing > Tops > Shirts",
    "blouse": "Clothing > Tops > Blouses",
    "trousers": "Clothing > Trousers",
    "boots": "Shoes > Boots",
}
COLOURS = ("red", "blue", "green")
MOODS = {5: "lovely perfect great", 4: "good nice", 3: "fine so so", 2: "poor meh", 1: "awful terrible bad"}


def shop_tables(folder: Path) -> dict[str, Path]:
    """A catalogue of 480 products and 400 reviews of them, written into `folder`."""
    rng = np.random.default_rng(0)
    products = []
    for number in range(480):
        kind, colour = list(KINDS)[number % 4], COLOURS[number // 4 % 3]
        tags = "|".join(word for word in ("wool", "warm") if rng.random() < 0.5)
        title = f"{colour} {kind} {tags.replace('|', ' ')} number {number}"
        stated = [("colour", colour), ("tags", tags)] if tags else [("colour", colour)]
        products.append(
            {
                "product_id": f"p{number}",
                "title": title,
                "description": f"A {colour} {kind} for every day." if number % 3 else None,
                "category": KINDS[kind],
                "price": float(number % 50) if number % 5 else None,
                "currency": "EUR" if number % 5 else None,
                "attributes": stated,
                "language": "en",
            }
        )
    stars = rng.integers(1, 6, 400)
    reviews = pd.DataFrame(
        {
            "review_id": [f"r{number}" for number in range(400)],
            "product_id": [f"p{number}" for number in rng.integers(0, 480, 400)],
            "rating": stars,
            "title": [MOODS[int(star)].split()[0] if star % 2 else None for star in stars],
            "text": [f"{MOODS[int(star)]} {number}" for number, star in enumerate(stars)],
            "recommended": stars >= 4,
        }
    )
    pd.DataFrame(products).to_parquet(folder / "catalogue.parquet", index=False)
    reviews.to_parquet(folder / "reviews.parquet", index=False)
    return {name: folder / f"{name}.parquet" for name in ("catalogue", "reviews")}


def prepared(tables: dict[str, Path], folder: Path) -> Path:
    """The splits of the shop."""
    from vitrina.families.product_classifier import data
    from vitrina.families.product_classifier.configuration import Options

    data.prepare(tables, folder, Options(validation_fraction=0.2, test_fraction=0.25), seed=7)
    return folder


def trained(data: Path, encoder: Path, folder: Path) -> Path:
    """A model folder as the train job leaves it."""
    from vitrina.jobs.train import train

    changes = {
        "model.encoder": str(encoder),
        "model.lexical_buckets": 4096,
        "model.encoder_layers": 2,
        "model.altered": 0.2,
        "training.max_steps": 120,
        "training.learning_rate": 3e-3,
        "training.head_learning_rate": 2e-2,
        "training.progress": False,
    }
    train("product_classifier", data, folder, preset="smoke", overrides=changes)
    return folder

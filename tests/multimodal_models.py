"""A small shop whose photos are plain colours that titles do not tell, and a multimodal model trained on it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from vitrina.contracts import TABLES
from vitrina.data.tables import write_table

KINDS = {"shirt": "Clothing > Shirts", "trousers": "Clothing > Trousers", "boots": "Shoes > Boots"}
PAINTS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}
SHAPES = {"shirt": (16, 40), "trousers": (40, 16), "boots": (16, 16)}
CUTS = {"shirt": "loose", "trousers": "long", "boots": "short"}
PRICES = {"shirt": 20.0, "trousers": 45.0, "boots": 110.0}
MOODS = {5: "lovely perfect great", 3: "fine so so", 1: "awful terrible bad"}


def photo(kind: str, colour: str, format: str = "JPEG", mode: str = "RGB") -> bytes:
    """A block in the colour of a product, as wide and high as its kind."""
    picture = Image.new("RGB", (48, 48), (245, 245, 245))
    picture.paste(PAINTS[colour], (0, 0, *SHAPES[kind]))
    content = io.BytesIO()
    picture.convert(mode).save(content, format)
    return content.getvalue()


def shop_tables(folder: Path) -> dict[str, Path]:
    """A catalogue of 420 products, photos of two thirds, 240 reviews. Half of the titles do not name the kind."""
    rng = np.random.default_rng(0)
    products, images = [], []
    for number in range(420):
        kind, colour = list(KINDS)[number % 3], list(PAINTS)[number // 3 % 3]
        named = f"nice {kind} number {number}" if rng.random() < 0.5 else f"nice thing number {number}"
        products.append(
            {
                "product_id": f"p{number}",
                "title": named,
                "brand": "Acme" if number % 2 else None,
                "category": KINDS[kind],
                "price": PRICES[kind] * float(rng.uniform(0.8, 1.25)),
                "currency": "EUR",
                "attributes": [("cut", CUTS[kind])],
                "language": "en",
            }
        )
        if number % 3 or rng.random() < 0.5:
            images.append((f"i{number}", f"p{number}", photo(kind, colour), 48, 48))
    stars = rng.choice([1, 3, 5], 240)
    reviews = pd.DataFrame(
        {
            "review_id": [f"r{number}" for number in range(240)],
            "user_id": [f"u{number}" for number in range(240)],
            "timestamp": pd.Timestamp("2026-01-01", tz="UTC"),
            "product_id": [f"p{number}" for number in rng.integers(0, 420, 240)],
            "rating": stars,
            "title": None,
            "text": [f"{MOODS[int(star)]} {number}" for number, star in enumerate(stars)],
            "recommended": stars > 3,
        }
    )
    tables = {
        "catalogue": pd.DataFrame(products),
        "images": pd.DataFrame(images, columns=["image_id", "product_id", "jpeg", "width", "height"]),
        "reviews": reviews,
    }
    for name, frame in tables.items():
        write_table(frame, TABLES[name], folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in tables}


def trained(tables: dict[str, Path], encoder: Path, folder: Path) -> tuple[Path, Path]:
    """The prepared folder and a model folder as the jobs leave them."""
    from vitrina.jobs import prepare, train

    shape = {"model.encoder": str(encoder), "model.lexical_buckets": 2048, "model.validation_fraction": 0.15}
    prepare("multimodal_product", tables, folder / "data", preset="smoke", overrides=shape)
    changes = shape | {"training.max_steps": 150, "training.eval_every": 150, "training.progress": False}
    train("multimodal_product", folder / "data", folder / "model", preset="smoke", overrides=changes)
    return folder / "data", folder / "model"

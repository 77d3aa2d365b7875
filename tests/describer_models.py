"""A small bilingual furniture shop and a product describer of it, for tests."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd

from vitrina.jobs import prepare, train

COLOURS = {"red": "rojo", "blue": "azul", "green": "verde", "white": "blanco"}
MATERIALS = {"oak": "roble", "steel": "acero", "glass": "vidrio"}
OVERRIDES = {
    "model.shape": {"width": 64, "layers": 1, "feed_forward": 128, "vocabulary": 600},
    "model.control_share": 0.5,
    "training.max_steps": 260,
    "training.learning_rate": 6e-3,
    "training.batch_size": 16,
}


def furniture(rows: int = 360) -> pd.DataFrame:
    """Products whose names, all different, stand in their descriptions; prices go with nothing."""
    draw = random.Random(7)
    products = []
    for number in range(rows):
        name = f"{draw.choice(['Luma', 'Tiber', 'Norda', 'Vell', 'Ostra'])} {number}"
        colour, material = draw.choice(list(COLOURS)), draw.choice(list(MATERIALS))
        spanish = draw.random() < 0.4
        said = (COLOURS[colour], MATERIALS[material]) if spanish else (colour, material)
        text = (
            f"{name} es una silla de {said[1]} en {said[0]}." if spanish else f"{name} is a {colour} {material} chair."
        )
        longer = " Ideal para tu casa y fácil de limpiar." if spanish else " Perfect for your home and easy to clean."
        products.append(
            {
                "product_id": f"p{number}",
                "title": name,
                "description": text + longer * (draw.random() < 0.5),
                "price": round(draw.uniform(20, 300), 2),
                "currency": "EUR",
                "attributes": [("colour", said[0]), ("material", said[1])],
                "language": "es" if spanish else "en",
            }
        )
    return pd.DataFrame(products)


def prepared(folder: Path) -> Path:
    """The shop prepared for the describer."""
    furniture().to_parquet(folder / "catalogue.parquet", index=False)
    prepare("product_describer", {"catalogue": folder / "catalogue.parquet"}, folder / "data", preset="smoke")
    return folder / "data"


def trained(data: Path, folder: Path) -> Path:
    """A whole, exported model folder; seconds."""
    return Path(train("product_describer", data, folder, preset="smoke", overrides=OVERRIDES).model)

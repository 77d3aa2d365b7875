"""A tiny shop whose pairs can be told apart by model numbers, and a model trained on it."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from vitrina.contracts import table_named
from vitrina.data.tables import write_table
from vitrina.jobs import prepare, train

KINDS = ("camera", "printer", "phone", "lamp")
BRANDS = ("canon", "sony", "acme")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tables `catalogue` and `pairs`: every product is listed by two shops, and compared with two others."""
    rng = random.Random(3)
    folder = tmp_path_factory.mktemp("shop")
    products, pairs = [], []
    for number in range(60):
        kind, brand, code = rng.choice(KINDS), rng.choice(BRANDS), f"x{1000 + 7 * number}"
        price = float(rng.randrange(10, 500))
        products.append(_product(f"l{number}", f"{brand} {kind} {code}", brand, price, {"model": code}))
        products.append(_product(f"r{number}", f"{kind} by {brand} {code} new", None, price * 1.1, None))
        pairs += [
            (f"l{number}", f"r{other}", other == number) for other in (number, (number + 1) % 60, (number + 9) % 60)
        ]
    frames = {
        "catalogue": pd.DataFrame(products),
        "pairs": pd.DataFrame(pairs, columns=["left_id", "right_id", "match"]).assign(split=""),
    }
    paths = {name: folder / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        write_table(frame, table_named(name), paths[name])
    return paths


def _product(
    name: str, title: str, brand: str | None, price: float, attributes: dict[str, str] | None
) -> dict[str, object]:
    known = {"product_id": name, "title": title, "brand": brand, "price": price, "currency": "EUR", "language": "en"}
    absent = dict.fromkeys(("description", "category", "image_id", "created_at"))
    return known | absent | {"attributes": list(attributes.items()) if attributes else None}


@pytest.fixture(scope="session")
def prepared(shop: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "splits"
    prepare("product_reranker", shop, folder)
    return folder


@pytest.fixture(scope="session")
def model(prepared: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder, trained for a moment."""
    folder = tmp_path_factory.mktemp("models") / "reranker"
    overrides = {
        "model.encoder": str(tiny_encoder),
        "model.max_length": 40,
        "model.swap_sides": 0.5,
        "training.max_steps": 60,
        "training.head_learning_rate": 0.01,
    }
    train("product_reranker", prepared, folder, preset="smoke", overrides=overrides)
    return folder

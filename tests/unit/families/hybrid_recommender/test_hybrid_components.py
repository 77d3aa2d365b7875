"""Members by name, fitted and kept; content finds what is alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vitrina.families.hybrid_recommender import components
from vitrina.families.hybrid_recommender.content import content_vectors
from vitrina.recommendation.histories import Histories, History, histories_of

PRODUCTS = [f"p{n}" for n in range(30)]


@pytest.fixture(scope="module")
def histories() -> Histories:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in rng.integers(0, 20, 300)],
            "product_id": [PRODUCTS[n] for n in rng.integers(0, 30, 300)],
            "event": "view",
            "value": None,
            "timestamp": rng.uniform(1e9, 1.1e9, 300),
        }
    )
    return histories_of(rows, PRODUCTS)


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "product_id": PRODUCTS,
            "title": [f"{'shirt' if n < 15 else 'boots'} number {n}" for n in range(30)],
            "category": ["Clothing > Shirts" if n < 15 else "Shoes > Boots" for n in range(30)],
        }
    )


@pytest.fixture(scope="module")
def products(catalogue: pd.DataFrame) -> components.Products:
    return components.Products(content_vectors(catalogue, 16), pa.Table.from_pandas(catalogue))


OPTIONS = {"ease": {"head": 30}, "gfcf": {"factors": 5}}


def test_content_finds_products_that_nobody_had(catalogue: pd.DataFrame) -> None:
    member = components.Content(content_vectors(catalogue, 2))
    history = History(np.array([3], np.int32), np.array([1.0]), np.array([1.0], np.float32))
    scores = member.scores([history])[0]
    assert set(np.argsort(-scores)[:15]) == set(range(15))


def test_members_are_the_same_after_a_save(histories: Histories, products: components.Products, tmp_path: Path) -> None:
    fitted, _ = components.fit(components.DEFAULT, histories, products, OPTIONS)
    for name, member in fitted.items():
        member.save(tmp_path / components.FOLDER / name)
    loaded = components.load(tmp_path, fitted)
    batch = histories.all()[:5]
    for name in fitted:
        np.testing.assert_allclose(loaded[name].scores(batch), fitted[name].scores(batch), rtol=1e-6)


def test_content_needs_no_more_than_a_title_and_reads_prices_and_attributes() -> None:
    bare = pd.DataFrame({"product_id": ["a", "b", "c"], "title": ["red shirt", "red shirt", "boots"]})
    vectors = content_vectors(bare, 8)
    assert vectors.shape == (3, 8)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    rich = bare.assign(price=[10.0, 900.0, None], attributes=[[("colour", "red")], None, None])
    apart = content_vectors(rich, 8)
    assert apart[0] @ apart[1] < 0.999
    assert content_vectors(bare.head(1), 8).shape == (1, 8)

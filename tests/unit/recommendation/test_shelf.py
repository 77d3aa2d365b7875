"""The shelf follows a catalogue in the order of the model; the best of a row are exact whatever the row looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrina.errors import ArtifactError
from vitrina.recommendation.filters import Filters
from vitrina.recommendation.ranking import best
from vitrina.recommendation.shelf import Shelf, read_products


@pytest.mark.parametrize("products", [1, 7, 128, 1000, 20_000])
@pytest.mark.parametrize("k", [1, 10, 500])
def test_the_best_of_a_row_are_those_of_a_full_sort(products: int, k: int) -> None:
    rng = np.random.default_rng(products + k)
    few = rng.integers(0, 4, products).astype(np.float32)  # many are equal
    hidden = np.where(rng.random(products) < 0.9, -np.inf, rng.normal(size=products)).astype(np.float32)
    for scores in (rng.normal(size=products).astype(np.float32), few, hidden, np.zeros(products, np.float32)):
        shown = np.flatnonzero(scores > -np.inf)
        wanted = shown[np.argsort(-scores[shown], kind="stable")][:k]
        np.testing.assert_array_equal(best(scores, k), wanted)


def test_nothing_is_best_where_nothing_may_be_shown() -> None:
    assert len(best(np.full(1000, -np.inf, np.float32), 10)) == 0
    assert len(best(np.ones(5, np.float32), 0)) == 0


def test_a_shelf_without_some_products_leaves_the_first_one_as_it_was() -> None:
    shelf = Shelf(pa.table({"product_id": ["a", "b", "c"], "stock": [1, 0, None]}))
    fewer = shelf.without(np.array([2]))
    assert fewer.allowed(Filters()).tolist() == [True, False, False]
    assert shelf.allowed(Filters()).tolist() == [True, False, True]
    assert shelf.titles == [None, None, None]


def test_products_are_read_as_far_as_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "products.parquet"
    pq.write_table(pa.table({"product_id": ["a"], "colour": ["red"], "price": [1.5]}), path)
    assert read_products(path).column_names == ["product_id", "price"]
    pq.write_table(pa.table({"title": ["a"]}), path)
    with pytest.raises(ArtifactError, match="no column product_id"):
        read_products(path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_products(tmp_path / "missing.parquet")

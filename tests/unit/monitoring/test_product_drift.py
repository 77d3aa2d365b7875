"""The drift decision on a product family's own log: mix of categories, prices, currencies, and what titles mean."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from vitrina.contracts import CATALOGUE
from vitrina.data.sample_store import Size, write_store
from vitrina.data.tables import read_table
from vitrina.families import catalog
from vitrina.monitoring.drift import REFERENCE, Drift, measure

Measure = Callable[[pd.DataFrame], Drift]


def against(family: str, folder: Path, products: pd.DataFrame) -> Measure:
    """Compares a model's answers to some products with its answers to `products`."""
    spec = catalog.get(family)
    predictor = spec.serving.load(folder)
    reference = predictor.predict_frame(products)
    reference["embedding"] = list(predictor.embed(products))
    reference.to_parquet(folder / REFERENCE, index=False)
    return lambda later: measure(spec, folder, predictor.predict_frame(later).reset_index(drop=True))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, Size(products=900, users=5, interactions=10, messages=10), seed=3)
    return read_table(folder / "catalogue.parquet", CATALOGUE)


@pytest.fixture(scope="module")
def measured(embedder_folder: Path, store: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    copy = shutil.copytree(embedder_folder, tmp_path_factory.mktemp("models") / "embedder")
    return against("product_embedder", Path(copy), store[:500])


def drifted(drift: Drift) -> set[tuple[str, str]]:
    return {(test.test, test.column) for test in drift.tests if test.drifted}


def test_more_products_of_the_same_shop_are_no_drift(measured: Measure, store: pd.DataFrame) -> None:
    assert drifted(measured(store[500:])) == set()


def test_dearer_products_are_drift_of_the_price(measured: Measure, store: pd.DataFrame) -> None:
    dearer = store[500:].assign(price=lambda shop: shop["price"] * 2)
    assert ("shape", "price") in drifted(measured(dearer))


def test_one_kind_of_product_is_drift_of_what_titles_mean(measured: Measure, store: pd.DataFrame) -> None:
    common = store["category"].mode()[0]
    one_kind = pd.concat([store[store["category"] == common]] * 4, ignore_index=True)
    assert ("embedding", "embedding") in drifted(measured(one_kind))


def test_a_new_currency_and_missing_prices_are_drift(measured: Measure, store: pd.DataFrame) -> None:
    later = store[500:].assign(currency="USD")
    later.loc[later.index[::3], "price"] = None
    assert {("mix", "currency"), ("missing", "price")} <= drifted(measured(later))


def test_another_mix_of_categories_is_drift(product_folder: Path, shop: dict[str, Path], tmp_path: Path) -> None:
    products = pd.read_parquet(shop["catalogue"])
    compare = against("product_classifier", Path(shutil.copytree(product_folder, tmp_path / "model")), products)
    assert drifted(compare(products)) == set()
    assert ("mix", "label") in drifted(compare(products[products["category"] == products["category"].mode()[0]]))

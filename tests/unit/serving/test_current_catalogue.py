"""What the shop sells now: withdrawn, sold out, dearer; a catalogue that appears late or is damaged."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrina.errors import ArtifactError
from vitrina.recommendation.filters import Filters
from vitrina.recommendation.shelf import Shelf
from vitrina.serving.current_catalogue import CurrentCatalogue


def table(**columns: list[object]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


@pytest.fixture
def own() -> Shelf:
    return Shelf(table(product_id=["a", "b", "c"], title=["A", "B", "C"], price=[1.0, 2.0, 3.0]))


def current(path: Path) -> CurrentCatalogue:
    catalogue = CurrentCatalogue(path)
    catalogue.refresh()
    return catalogue


def test_without_a_catalogue_the_models_own_products_count(own: Shelf) -> None:
    assert CurrentCatalogue(None).shelf(own) is own
    assert own.allowed(Filters()).tolist() == [True, True, True]


def test_products_it_lacks_are_withdrawn_and_prices_are_its(own: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    pq.write_table(
        table(product_id=["new", "c", "a"], title=["N", "C", "A"], price=[9.0, 30.0, 10.0], stock=[1, 0, None]), path
    )
    shelf = current(path).shelf(own)
    assert shelf.ids == ["a", "b", "c"]
    assert shelf.prices == [10.0, None, 30.0]
    assert shelf.offered.tolist() == [True, False, True]
    assert shelf.allowed(Filters()).tolist() == [True, False, False]
    assert shelf.allowed(Filters(in_stock=False)).tolist() == [True, False, True]
    assert shelf.allowed(Filters(max_price=5.0)).tolist() == [False, False, False]


def test_a_replaced_file_is_followed_and_a_damaged_one_is_not(own: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    pq.write_table(table(product_id=["a"], title=["A"]), path)
    catalogue = current(path)
    assert catalogue.shelf(own).offered.tolist() == [True, False, False]
    assert not catalogue.refresh()
    pq.write_table(table(product_id=["b", "c"], title=["B", "C"]), path)
    assert catalogue.refresh()
    assert catalogue.shelf(own).offered.tolist() == [False, True, True]
    for damaged in (b"no parquet", b""):
        path.write_bytes(damaged)
        assert not catalogue.refresh()
    pq.write_table(table(product_id=["a", "a"], title=["A", "A"]), path)
    assert not catalogue.refresh()
    path.unlink()
    assert not catalogue.refresh()
    assert catalogue.shelf(own).offered.tolist() == [False, True, True]


def test_a_catalogue_that_was_never_read_is_an_error_until_it_appears(own: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    catalogue = current(path)
    with pytest.raises(ArtifactError, match=r"catalogue\.parquet"):
        catalogue.shelf(own)
    pq.write_table(table(product_id=["a"], title=["A"]), path)
    assert catalogue.refresh()
    assert catalogue.shelf(own).offered.tolist() == [True, False, False]


def test_two_models_have_their_own_order(own: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    pq.write_table(table(product_id=["b"], title=["B"], price=[5.0]), path)
    catalogue = current(path)
    other = Shelf(table(product_id=["b", "z"], title=["B", "Z"]))
    assert catalogue.shelf(other).offered.tolist() == [True, False]
    assert catalogue.shelf(own).prices == [None, 5.0, None]

from __future__ import annotations

import pyarrow as pa
import pytest

from vitrina.errors import UsageError
from vitrina.recommendation.filters import Filters, ProductColumns

CATALOGUE = pa.table(
    {
        "product_id": ["a", "b", "c", "d"],
        "category": ["Clothing > Shirts", "Clothing", "clothing>shirts>wool", None],
        "brand": ["Acme", " acme ", "Other", None],
        "price": [10.0, 20.0, None, 5.0],
        "stock": [0, 3, None, 1],
    }
)


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(), [0, 1, 1, 1]),
        (Filters(in_stock=False), [1, 1, 1, 1]),
        (Filters(category="clothing > SHIRTS", in_stock=False), [1, 0, 1, 0]),
        (Filters(category="Cloth"), [0, 0, 0, 0]),
        (Filters(brands=("ACME",), in_stock=False), [1, 1, 0, 0]),
        (Filters(min_price=10, in_stock=False), [1, 1, 0, 0]),
        (Filters(max_price=10, in_stock=False), [1, 0, 0, 1]),
        (Filters(exclude=("b", "unheard of")), [0, 0, 1, 1]),
    ],
)
def test_what_is_asked_decides_who_passes(filters: Filters, passing: list[int]) -> None:
    assert ProductColumns(CATALOGUE).passing(filters).tolist() == [bool(each) for each in passing]


def test_a_catalogue_with_ids_alone_passes_what_asks_nothing() -> None:
    columns = ProductColumns(CATALOGUE.select(["product_id"]))
    assert columns.passing(Filters()).all()
    assert not columns.passing(Filters(category="Clothing")).any()
    assert not columns.passing(Filters(max_price=1e9)).any()
    assert columns.known(["c", "x"]).tolist() == [2]


def test_empty_and_absurd_price_ranges_are_refused() -> None:
    with pytest.raises(UsageError, match="price range is empty"):
        Filters(min_price=2, max_price=1)
    with pytest.raises(UsageError, match="must be a number"):
        Filters(min_price=float("nan"))

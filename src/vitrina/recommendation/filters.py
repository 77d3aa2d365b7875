"""What a customer asks of a product, as masks over the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.catalogue import at_or_below, category_path
from vitrina.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Filters:
    """What a product must be to be shown; None asks nothing. A product that does not state a value fails its filter.

    Attributes:
        category: a category path; its products and those below it pass, in any case.
        min_price, max_price: both ends included.
        brands: any of them, in any case.
        in_stock: leave out products whose stock is 0; unknown stock passes.
        exclude: product ids that are not shown.
    """

    category: str | None = None
    min_price: float | None = None
    max_price: float | None = None
    brands: tuple[str, ...] | None = None
    in_stock: bool = True
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.min_price, self.max_price
        if any(end is not None and end != end for end in (low, high)):
            raise UsageError("A price limit must be a number.")
        if low is not None and high is not None and low > high:
            raise UsageError(f"The price range is empty: {low:g} is more than {high:g}.")


@dataclass(frozen=True)
class _Coded:
    """A text column as codes of its distinct values, lower case ("" where unknown)."""

    values: list[str]
    codes: np.ndarray

    def where(self, passes: Callable[[str], bool]) -> np.ndarray:
        return np.array([bool(value) and passes(value) for value in self.values])[self.codes]


class ProductColumns:
    """The columns of a catalogue that filters ask, in the order of its rows."""

    def __init__(self, products: pa.Table) -> None:
        """`products`: rows of the catalogue; brand, category, price and stock may be absent."""
        self.ids: list[str] = products["product_id"].to_pylist()
        self.places = {product: place for place, product in enumerate(self.ids)}
        self._category = _coded(products, "category", category_path)
        self._brand = _coded(products, "brand", lambda brand: brand.strip().lower())
        self._price = _numbers(products, "price")
        self._stock = _numbers(products, "stock")

    def __len__(self) -> int:
        return len(self.ids)

    def passing(self, filters: Filters) -> np.ndarray:
        """(products,) bool: which products pass."""
        mask = np.ones(len(self.ids), dtype=bool)
        if filters.category is not None:
            parent = category_path(filters.category)
            mask &= self._category.where(lambda path: at_or_below(path, parent))
        if filters.brands is not None:
            mask &= self._brand.where({brand.strip().lower() for brand in filters.brands}.__contains__)
        if filters.min_price is not None:
            mask &= self._price >= filters.min_price
        if filters.max_price is not None:
            mask &= self._price <= filters.max_price
        if filters.in_stock:
            mask &= self._stock != 0
        mask[self.known(filters.exclude)] = False
        return mask

    def known(self, ids: Collection[str]) -> np.ndarray:
        """The places of those ids that are here, int64."""
        return np.array([self.places[product] for product in ids if product in self.places], dtype=np.int64)


def _coded(products: pa.Table, name: str, normal: Callable[[str], str]) -> _Coded:
    values: Sequence[Any] = products[name].to_pylist() if name in products.column_names else [None] * len(products)
    codes: dict[str | None, int] = {}
    places = np.array([codes.setdefault(value, len(codes)) for value in values], dtype=np.int32)
    return _Coded([normal(value) if value else "" for value in codes], places)


def _numbers(products: pa.Table, name: str) -> np.ndarray:
    import pyarrow as pa

    if name not in products.column_names:
        return np.full(len(products), np.nan)
    # By way of a list: pyarrow's own ways to NumPy import pandas, which a service does without.
    known = products[name].cast(pa.float64()).to_pylist()
    return np.array([np.nan if value is None else value for value in known])

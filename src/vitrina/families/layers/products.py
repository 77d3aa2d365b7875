"""Products as the product families read them: from table rows, and as text for an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("title", "description", "brand", "category", "currency", "language", "product_id")
DESCRIPTION_CHARACTERS = 2000
"""Of a description; far more than any encoder's window, so that 100,000 characters cost nothing."""


def products_of(frame: pd.DataFrame) -> list[Product]:
    """One product per row of a catalogue frame; only `title` must be there, empty cells are unknown."""
    names = [name for name in (*TEXTS, "price", "attributes") if name in frame]
    columns = [frame[name].tolist() for name in names]
    return [_product(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]


def _product(row: Mapping[str, Any]) -> Product:
    known: dict[str, Any] = {name: row[name] for name in TEXTS if isinstance(row.get(name), str) and row[name]}
    price = row.get("price")
    if isinstance(price, int | float) and price == price:  # NaN is not equal to itself
        known["price"] = float(price)
    return Product(**{"title": "", **known}, attributes=_attributes(row.get("attributes")))


def _attributes(value: Any) -> dict[str, str]:
    """A mapping or pairs, as Parquet maps come back; anything else is none."""
    if isinstance(value, Mapping):
        return {str(name): str(item) for name, item in value.items() if item is not None}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return {str(name): str(item) for name, item in value}
    return {}


def product_text(product: Product, *, attributes: bool = True, category: bool = False, description: bool = True) -> str:
    """The one way to write a product for an encoder: title, brand unless the title names it, attributes, description.

    Args:
        category: also write the category path; off where a model reads it by other means or predicts it.
    """
    parts = [product.title]
    if product.brand and product.brand.lower() not in product.title.lower():
        parts.append(product.brand)
    if category and product.category:
        parts.append(product.category.replace(PATH_SEPARATOR, " "))
    if attributes and product.attributes:
        parts.append(" ".join(product.attributes.values()))
    if description and product.description:
        parts.append(product.description[:DESCRIPTION_CHARACTERS])
    return ". ".join(parts)

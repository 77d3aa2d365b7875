"""A product as callers send it and as the product families read it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vitrina.contracts.http import Language

MAX_TITLE = 1000
MAX_DESCRIPTION = 100_000
"""Longer descriptions are refused; a model reads only their start."""

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TITLE, pattern=r"\S")]
Price = Annotated[float, msgspec.Meta(ge=0, le=10_000_000, description="0 says nothing about the product.")]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", description="ISO 4217, such as EUR.")]
CategoryPath = Annotated[str, msgspec.Meta(min_length=1, max_length=500, description="A path: Clothing > Shirts.")]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Product(msgspec.Struct):
    """A product of the catalogue; only the title must be known."""

    title: Title
    description: Annotated[str, msgspec.Meta(max_length=MAX_DESCRIPTION)] | None = None
    brand: Word | None = None
    category: CategoryPath | None = None
    price: Price | None = None
    currency: Currency | None = None
    attributes: dict[Word, Word] = {}
    language: Language | None = None
    product_id: Word | None = None

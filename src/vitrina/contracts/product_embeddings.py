"""HTTP messages of `POST /ai/embeddings`, and the line of the prediction log that a product leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from vitrina.contracts.products import Product

MAX_PRODUCTS = 64

Products = Annotated[list[Product], msgspec.Meta(min_length=1, max_length=MAX_PRODUCTS)]
Dimensions = Annotated[
    int, msgspec.Meta(ge=2, description="One of the lengths the model was trained for: 768, 256, 128.")
]


class EmbeddingsRequest(msgspec.Struct):
    """One product, or up to 64. `dimensions` shortens the vectors; they stay L2-normalised."""

    product: Product | None = None
    products: Products | None = None
    dimensions: Dimensions | None = None

    def __post_init__(self) -> None:
        if (self.product is None) == (self.products is None):
            raise ValueError("Give `product` or `products`, one of them")

    def all(self) -> list[Product]:
        """The products, in the caller's order."""
        return [self.product] if self.product is not None else self.products or []


class Embedding(msgspec.Struct):
    """The vector of one product. `price_used` is false where the price says nothing to the model.

    That is: there is none, it is 0, or its currency is one the model was not trained on.
    """

    embedding: list[float]
    category: str
    confidence: float
    price_used: bool
    product_id: str | None = None


class Embeddings(msgspec.Struct):
    """The vectors of the products of a request, in its order."""

    embeddings: list[Embedding]
    dimensions: int
    model: str
    version: str
    request_id: str


class EmbeddingRecord(msgspec.Struct):
    """One line of the prediction log: a product as it came, and the category whose products lie nearest."""

    request_id: str
    timestamp: datetime
    model: str
    version: str
    title: str
    description: str | None
    brand: str | None
    category: str | None
    price: float | None
    currency: str
    attributes: dict[str, str]
    language: str
    length: int
    label: str
    confidence: float

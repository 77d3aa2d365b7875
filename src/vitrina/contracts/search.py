"""HTTP messages of `POST /ai/search`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vitrina.contracts.http import Language
from vitrina.contracts.products import CategoryPath, Currency, Price, Product

MOST_HITS = 100

Mode = Literal["vector", "hybrid", "lexical"]
QueryText = Annotated[
    str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S", description="What the customer typed.")
]


class SearchFilters(msgspec.Struct):
    """What a product must be to be found. A product that does not state a value fails its filter.

    `category` lets a path and all below it pass, `language` (`es`) its regions too; both price limits are included.
    """

    category: CategoryPath | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    currency: Currency | None = None
    language: Language | None = None

    def __post_init__(self) -> None:
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            raise ValueError("The price range is empty: `min_price` is more than `max_price`")


class SearchRequest(msgspec.Struct):
    """A text, or a product to find others like it. `mode` says what counts: meaning, letters, or both."""

    query: QueryText | None = None
    product: Product | None = None
    k: Annotated[int, msgspec.Meta(ge=1, le=MOST_HITS)] = 10
    filters: SearchFilters | None = None
    mode: Mode = "hybrid"

    def __post_init__(self) -> None:
        if (self.query is None) == (self.product is None):
            raise ValueError("Give `query` or `product`, one of them")


class SearchHit(msgspec.Struct):
    """One product found; a higher score is better, comparable within one answer only."""

    product_id: str
    score: float
    title: str
    category: str | None
    price: float | None
    currency: str | None
    language: str | None


class SearchResults(msgspec.Struct):
    """The products found, best first; `searched` is how many the index holds."""

    hits: list[SearchHit]
    searched: int
    mode: Mode
    model: str
    version: str
    request_id: str

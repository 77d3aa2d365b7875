"""HTTP messages of `POST /ultra/multimodal/analyze`, and its line in the prediction log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from vitrina.contracts.http import Fraction, Language
from vitrina.contracts.product_classification import Attribute, Level, Review, Sentiment, Suggestion
from vitrina.contracts.products import MAX_DESCRIPTION, CategoryPath, Currency, Price, Product, Title, Word

MAX_IMAGE = 10 * 1024 * 1024
"""Bytes of an image file."""

MAX_ATTRIBUTES = 100

Modality = Literal["text", "photo", "price", "metadata"]


class MultimodalRequest(msgspec.Struct):
    """A product of which anything may be unknown, but not both title and image.

    `image`: a PNG, JPEG, WebP or GIF file, base64 in JSON, a file part in multipart/form-data. What is stated of price,
    category and attributes is read, and not predicted. `review`: also say what its author thinks. `embedding`: also
    answer the vector of the product.
    """

    title: Title | None = None
    image: bytes | None = None
    description: Annotated[str, msgspec.Meta(max_length=MAX_DESCRIPTION)] | None = None
    brand: Word | None = None
    category: CategoryPath | None = None
    price: Price | None = None
    currency: Currency | None = None
    attributes: Annotated[dict[Word, Word], msgspec.Meta(max_length=MAX_ATTRIBUTES)] = {}
    language: Language | None = None
    product_id: Word | None = None
    review: Review | None = None
    embedding: bool = False

    @property
    def product(self) -> Product:
        """What is known besides image and review."""
        return Product(
            title=self.title or "",
            description=self.description,
            brand=self.brand,
            category=self.category,
            price=self.price,
            currency=self.currency,
            attributes=self.attributes,
            language=self.language,
            product_id=self.product_id,
        )


class PriceEstimate(msgspec.Struct, frozen=True):
    """What such a product costs; `ratio` is the stated price over it, where one is stated in that currency."""

    amount: float
    currency: str | None
    ratio: float | None


class MultimodalAnalysis(msgspec.Struct):
    """What a product is, how good its listing is, what it may cost, and what was looked at to say so.

    `category` is the path, with its confidence (calibrated for what was given: text, photo or both) and that of each
    level; empty where the model knows no categories. `price` is there where the model learned prices, `sentiment` where
    a review was given to a model that knows reviews, `embedding` (unit length) where it was asked for.
    """

    category: str | None
    confidence: Fraction
    levels: list[Level]
    attributes: dict[str, Attribute]
    quality: Fraction
    suggestions: list[Suggestion]
    price: PriceEstimate | None
    sentiment: Sentiment | None
    modalities: list[Modality]
    needs_review: bool
    embedding: list[float] | None
    model: str
    version: str
    request_id: str


class MultimodalRecord(msgspec.Struct):
    """One line of the prediction log; `modalities` is text, photo or text+photo. The image itself is not kept."""

    request_id: str
    timestamp: datetime
    model: str
    version: str
    title: str | None
    description: str | None
    brand: str | None
    category: str | None
    price: float | None
    currency: str | None
    language: str
    review: str | None
    length: int
    modalities: str
    label: str
    confidence: float
    needs_review: bool
    quality: float

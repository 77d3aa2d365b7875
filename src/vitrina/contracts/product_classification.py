"""HTTP messages of `POST /ai/classify`, and its line in the prediction log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from vitrina.contracts.http import Fraction
from vitrina.contracts.products import Product

MAX_REVIEW = 20_000

Review = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REVIEW, pattern=r"\S")]


class ProductClassifyRequest(Product, kw_only=True):
    """A product to classify; with `review`, also what its author thinks."""

    review: Review | None = None


class Level(msgspec.Struct, frozen=True):
    """One level of a category path, from the root down; a level is never more certain than the one above it."""

    name: str
    confidence: Fraction


class AttributeValue(msgspec.Struct, frozen=True):
    """A predicted value of an attribute."""

    value: str
    confidence: Fraction


class Attribute(msgspec.Struct, frozen=True):
    """The predicted value of an attribute, or values where it can have several.

    `needs_review`: the model is less sure than it has to be.
    """

    values: list[AttributeValue]
    needs_review: bool


class Suggestion(msgspec.Struct, frozen=True):
    """What is missing or hard to read in the listing: a stable code, and a sentence in the product's language."""

    code: str
    message: str


class Sentiment(msgspec.Struct, frozen=True):
    """What a review says: the probability that its author recommends the product, and the stars, 1–5."""

    recommended: Fraction | None
    rating: Annotated[float, msgspec.Meta(ge=1, le=5)] | None


class ProductClassification(msgspec.Struct):
    """What a product is and how good its listing is.

    `category` is the path, `levels` its parts with their confidences; both are empty where the model knows no
    categories. `needs_review`: a person should look. `sentiment` is there when a review was given to a model that
    knows reviews.
    """

    category: str | None
    levels: list[Level]
    attributes: dict[str, Attribute]
    quality: Fraction
    suggestions: list[Suggestion]
    sentiment: Sentiment | None
    needs_review: bool
    model: str
    version: str
    request_id: str


class ProductRecord(msgspec.Struct):
    """One line of the prediction log. `length` is in characters of the text that was read."""

    request_id: str
    timestamp: datetime
    model: str
    version: str
    title: str
    description: str | None
    brand: str | None
    category: str | None
    price: float | None
    currency: str | None
    language: str
    review: str | None
    length: int
    label: str
    confidence: float
    needs_review: bool
    quality: float

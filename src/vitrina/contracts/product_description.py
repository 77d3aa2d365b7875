"""HTTP messages of `POST /ai/generate-description`, and its line in the prediction log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from vitrina.contracts.http import Fraction, Language
from vitrina.contracts.products import CategoryPath, Currency, Price, Title, Word

MAX_ATTRIBUTES = 1000
MAX_KEYWORDS = 10
MAX_CANDIDATES = 8

Tone = Literal["neutral", "friendly", "enthusiastic", "formal"]
Audience = Literal["children", "families", "adults", "women", "men", "professionals"]
Extent = Literal["short", "medium", "long"]
Band = Literal["low", "middle", "high"]
Attributes = Annotated[dict[Word, Word], msgspec.Meta(max_length=MAX_ATTRIBUTES)]
Keywords = Annotated[list[Word], msgspec.Meta(max_length=MAX_KEYWORDS)]
Candidates = Annotated[int, msgspec.Meta(ge=1, le=MAX_CANDIDATES)]
Beams = Annotated[int, msgspec.Meta(ge=1, le=16, description="Width of the search; ignored when sampling.")]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2, description="0: beam search; above: sampling.")]
Share = Annotated[float, msgspec.Meta(gt=0, le=1, description="Sampling: the nucleus' probability.")]
Penalty = Annotated[float, msgspec.Meta(ge=0, le=3, description="The higher, the longer the texts; default 0.")]
Run = Annotated[int, msgspec.Meta(ge=0, le=10, description="Runs of so many pieces are not repeated; 0: they may be.")]
Tokens = Annotated[int, msgspec.Meta(ge=8, le=320, description="The text ends after so many; at most the model's own.")]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class DescriptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The features of a product, and how its description should be.

    The price band is that of `price` and `currency`, unless `price_band` is given. The language is detected from the
    title where it is not given. Several `candidates` are answered best first.
    """

    title: Title
    brand: Word | None = None
    category: CategoryPath | None = None
    price: Price | None = None
    currency: Currency | None = None
    price_band: Band | None = None
    attributes: Attributes = {}
    language: Language | None = None
    tone: Tone | None = None
    audience: Audience | None = None
    length: Extent | None = None
    keywords: Keywords = []
    candidates: Candidates = 1
    beams: Beams = 4
    temperature: Temperature = 0.0
    top_p: Share = 0.95
    length_penalty: Penalty | None = None
    no_repeat: Run = 4
    max_tokens: Tokens | None = None
    seed: Seed = 7


class DescriptionCandidate(msgspec.Struct, frozen=True):
    """One description. `score`: mean log-probability of a token; `missing` and `invented` name features."""

    text: str
    score: float
    missing: list[str]
    invented: list[str]


class Readability(msgspec.Struct, frozen=True):
    """How easily a text is read, about 0 (hard) to 100 (easy), by the formula of its language."""

    score: float
    formula: str


class SearchListing(msgspec.Struct, frozen=True):
    """What a search engine shows of the product: a title of at most 60 and a description of at most 155 characters."""

    title: str
    meta_description: str
    keywords_used: list[str]
    keywords_unused: list[str]
    readability: Readability


class GeneratedDescription(msgspec.Struct):
    """A product's description, what it left out or made up, and how it shows in search engines.

    `missing` and `invented` are those of `description`, the first of the `candidates`. `controls` says of each control
    that was asked for whether the description shows it (`met`, `missed`; `shown` to the model for the price band, which
    no reading of a text can tell), or that training did not show it (`not_learned`). Every text is escaped: `<`, `>`
    and `"` never stand in it as they are.
    """

    description: str
    candidates: list[DescriptionCandidate]
    missing: list[str]
    invented: list[str]
    language: str
    controls: dict[str, str]
    seo: SearchListing
    model: str
    version: str
    request_id: str


class DescriptionRecord(msgspec.Struct):
    """One line of the prediction log. `length` is in words; `missing` and `invented` count features."""

    request_id: str
    timestamp: datetime
    model: str
    version: str
    title: str
    brand: str | None
    category: str
    price: float | None
    currency: str | None
    language: str
    description: str
    length: int
    confidence: Fraction
    missing: int
    invented: int

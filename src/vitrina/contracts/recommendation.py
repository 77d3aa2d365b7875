"""HTTP messages of the recommenders: `POST /ai/recommend`, `POST /ultra/recommendations`, `POST /ai/interactions`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from vitrina.contracts.products import CategoryPath, Price, Word

MOST_RECOMMENDED = 500
MOST_EVENTS = 1000
AHEAD = timedelta(minutes=5)
"""How far a caller's clock may run ahead of ours."""

Event = Literal["view", "cart", "purchase", "rating"]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1_000_000, description="Stars of a rating, units of a purchase.")]


class ProductEvent(msgspec.Struct):
    """What a user did with a product; without `timestamp` (UTC where it names no zone) it happened now."""

    product_id: Word
    event: Event = "view"
    value: Amount | None = None
    timestamp: datetime | None = None

    def __post_init__(self) -> None:
        self.timestamp = _past(self.timestamp)
        _check_stars(self.event, self.value)


class Interaction(ProductEvent, kw_only=True):
    """An event of a known user, to be kept."""

    user_id: Word


def _past(moment: datetime | None) -> datetime | None:
    """The moment in UTC.

    Raises:
        ValueError: when it lies more than `AHEAD` in the future.
    """
    if moment is None:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > datetime.now(UTC) + AHEAD:
        raise ValueError(f"`timestamp` {moment.isoformat()} lies in the future")
    return moment


def _check_stars(event: Event, value: float | None) -> None:
    if event == "rating" and not (value is not None and 1 <= value <= 5):
        raise ValueError("A rating needs its stars, 1 to 5, as `value`")


class RecommendationFilters(msgspec.Struct):
    """What may be recommended. A product that does not state a value fails its filter; of unknown stock, it passes.

    `category` lets a path and all below it pass; both price limits are included.
    """

    category: CategoryPath | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    brands: Annotated[list[Word], msgspec.Meta(max_length=100)] = []
    in_stock: bool = True
    exclude_bought: bool = True
    exclude: Annotated[list[Word], msgspec.Meta(max_length=1000)] = []

    def __post_init__(self) -> None:
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            raise ValueError("The price range is empty: `min_price` is more than `max_price`")


class RecommendationRequest(msgspec.Struct):
    """Whom to recommend to: a user, what happened since (this session's events), or both; neither: anybody."""

    user_id: Word | None = None
    k: Annotated[int, msgspec.Meta(ge=1, le=MOST_RECOMMENDED)] = 10
    events: Annotated[list[ProductEvent], msgspec.Meta(max_length=MOST_EVENTS)] = []
    filters: RecommendationFilters = msgspec.field(default_factory=RecommendationFilters)


class Recommended(msgspec.Struct):
    """One product; a higher score is better, comparable within one answer only."""

    product_id: str
    title: str
    score: float
    price: float | None
    currency: str | None
    category: str | None
    reason: str | None = None


class Recommendations(msgspec.Struct):
    """Products, best first; fewer than asked for where the filters let no more pass.

    `cold_start`: nothing is known about this user, what others like is shown. `user_known`: the user has a history,
    from training or kept since.
    """

    recommendations: list[Recommended]
    cold_start: bool
    user_known: bool
    model: str
    version: str
    request_id: str


class InteractionsRequest(msgspec.Struct):
    """Events to keep for later requests; an event that is known already is not kept twice."""

    events: Annotated[list[Interaction], msgspec.Meta(min_length=1, max_length=MOST_EVENTS)]


class InteractionsReceipt(msgspec.Struct):
    """How many events are new, and how many were known already."""

    accepted: int
    duplicates: int
    request_id: str


class RecommendationRecord(msgspec.Struct):
    """One line of a recommender's prediction log.

    `label` is the category of the first product, `shown` all products, which feedback (the product bought) is compared
    with; `popularity` is their mean percentile among all products, 0–1; `length` the events of the history, `segment`
    tells new, light and heavy users; `history` keeps the last few product ids.
    """

    request_id: str
    timestamp: datetime
    model: str
    version: str
    user_id: str | None
    history: list[str]
    shown: list[str]
    label: str
    score: float
    popularity: float
    segment: str
    length: int

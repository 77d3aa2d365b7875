"""What each task is given and what it answers. Texts are stripped and bounded, unknown keys refused.

Values of a closed list (language, tone, length …) may steer a template. All other text is the shop's or a customer's:
templates show it only as data (`rendering.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vitrina.contracts.products import MAX_TITLE

Language = Literal["es", "en"]
Tone = Literal["professional", "casual", "technical", "friendly", "enthusiastic"]
PriceBand = Literal["low", "middle", "high"]
Event = Literal["view", "cart", "purchase", "rating"]
Focus = Literal["competition", "trends", "opportunities", "pricing"]

Word = Annotated[str, Field(min_length=1, max_length=200)]
Line = Annotated[str, Field(min_length=1, max_length=500)]
Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE)]
Paragraph = Annotated[str, Field(min_length=1, max_length=4000)]
Price = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Strict(BaseModel):
    """Frozen, stripped, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class ProductFacts(Strict):
    """What is known of a product. `description` is the shop's present one, if it has any."""

    title: Title
    product_id: Word | None = None
    brand: Word | None = None
    category: Line | None = None
    price: Price | None = None
    currency: Currency | None = None
    attributes: dict[Word, Word] = Field(default_factory=dict, max_length=200)
    description: Annotated[str, Field(max_length=20_000)] | None = None


class Variables(Strict):
    """What every task is given."""

    language: Language = "es"


class DescribeInputs(Variables):
    """A product, and how its description should be; `max_words` bounds the description."""

    product: ProductFacts
    tone: Tone = "professional"
    audience: Line | None = None
    price_band: PriceBand | None = None
    keywords: list[Word] = Field(default_factory=list, max_length=10)
    max_words: int = Field(default=90, ge=10, le=300)


class Seen(Strict):
    """A product that a customer had to do with."""

    title: Title
    product_id: Word | None = None
    category: Line | None = None
    event: Event = "view"


class Budget(Strict):
    """What a customer will spend on one product; either end may be open."""

    minimum: Price = 0.0
    maximum: Price | None = None
    currency: Currency = "EUR"

    @model_validator(mode="after")
    def _ordered(self) -> Budget:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("`maximum` is below `minimum`")
        return self


class Customer(Strict):
    """What is known of a customer: nothing that says who it is."""

    history: list[Seen] = Field(default_factory=list, max_length=50)
    session: list[Seen] = Field(default_factory=list, max_length=50)
    preferences: list[Line] = Field(default_factory=list, max_length=20)
    budget: Budget | None = None


class Candidate(ProductFacts):
    """A product that may be recommended; `score` is its recommender's, the higher the better."""

    product_id: Word
    score: float | None = Field(default=None, allow_inf_nan=False)


class RecommendInputs(Variables):
    """A customer and the products to choose from, best first; `count`: how many are to be explained."""

    customer: Customer = Customer()
    candidates: list[Candidate] = Field(min_length=1, max_length=50)
    count: int = Field(default=3, ge=1, le=10)

    @model_validator(mode="after")
    def _distinct(self) -> RecommendInputs:
        ids = [each.product_id for each in self.candidates]
        if len(set(ids)) < len(ids):
            raise ValueError("`candidates` names a product twice")
        return self


class MarketProduct(Strict):
    """A product on the market: the shop's own, or a competitor's."""

    title: Title
    brand: Word | None = None
    category: Line | None = None
    price: Price | None = None
    currency: Currency | None = None
    own: bool = True
    units: Amount | None = None
    rating: float | None = Field(default=None, ge=1, le=5)


class Sales(Strict):
    """Units and revenue of a period, of a category or of all."""

    period: Word
    category: Line | None = None
    units: Amount | None = None
    revenue: Amount | None = None


class MarketInputs(Variables):
    """Products and sales to be analysed; at least one of both must be given."""

    question: Paragraph | None = None
    products: list[MarketProduct] = Field(default_factory=list, max_length=200)
    sales: list[Sales] = Field(default_factory=list, max_length=400)
    focus: list[Focus] = Field(default_factory=list, max_length=4)

    @model_validator(mode="after")
    def _something(self) -> MarketInputs:
        if not self.products and not self.sales:
            raise ValueError("give `products`, `sales` or both: there is nothing to analyse")
        return self


class Turn(Strict):
    """One turn of a conversation before the present message."""

    role: Literal["customer", "shop"]
    text: Paragraph


class Fact(Strict):
    """What the shop knows and the answer may rest on: a policy, the state of an order."""

    title: Word
    text: Paragraph


class ReplyInputs(Variables):
    """A customer's message, what was said before, and the facts that may be told."""

    message: Paragraph
    history: list[Turn] = Field(default_factory=list, max_length=20)
    facts: list[Fact] = Field(default_factory=list, max_length=20)
    intent: Word | None = None
    tone: Tone = "friendly"


class Answer(BaseModel):
    """Base of what a task answers; keys that nobody asked for are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class DescribeAnswer(Answer):
    """A description of a product."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1, max_length=4000)]
    highlights: list[Line] = Field(default_factory=list, max_length=6)


class Recommendation(Answer):
    """One of the candidates, and why this customer might like it."""

    product_id: Word
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class RecommendAnswer(Answer):
    """Recommendations, best first."""

    recommendations: list[Recommendation] = Field(min_length=1, max_length=10)
    summary: Annotated[str, Field(max_length=1000)] = ""


class Insight(Answer):
    """What the data show, with the data that show it."""

    focus: Focus
    statement: Annotated[str, Field(min_length=1, max_length=1000)]
    evidence: Annotated[str, Field(max_length=1000)] = ""


class MarketAnswer(Answer):
    """An analysis; `reasoning` are the steps to it and is shown to nobody who did not ask."""

    reasoning: Annotated[str, Field(max_length=8000)] = ""
    summary: Annotated[str, Field(min_length=1, max_length=4000)]
    insights: list[Insight] = Field(default_factory=list, max_length=12)
    actions: list[Line] = Field(default_factory=list, max_length=10)


class ReplyAnswer(Answer):
    """A reply; `needs_human`: the facts do not suffice, or a person is wanted (None: the model did not say)."""

    reply: Paragraph
    needs_human: bool | None = None

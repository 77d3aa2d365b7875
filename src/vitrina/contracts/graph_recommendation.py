"""HTTP messages of the graph recommender: `POST /ultra/recommendations`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vitrina.contracts.recommendation import RecommendationRequest, Recommendations, Recommended

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Intent = Literal["browse", "buy"]
Language = Literal["en", "es"]


class GraphRecommendationRequest(RecommendationRequest):
    """Whom to recommend to, and how.

    `intent`: new products to look at, or products to put into the cart, those looked at before among them.
    `diversity`: 0 ranks by score alone, 1 by being unlike what stands above; without it the model's own. `language` of
    the reasons. Without `explain` an answer has no reasons.
    """

    intent: Intent = "browse"
    diversity: Share | None = None
    language: Language = "en"
    explain: bool = True


class Reason(msgspec.Struct):
    """A product of the user's history that speaks for a recommended one.

    `share`: its part of what the history adds to the score. `bought`: by this user. `customers_bought`,
    `customers_chose`: other customers in the training data who bought, who chose (looked at, too) both products.
    """

    product_id: str
    title: str
    share: float
    bought: bool
    customers_bought: int
    customers_chose: int


class ExplainedProduct(Recommended):
    """One product with its reasons, the strongest first; `reason` says the first one as a sentence."""

    because: list[Reason] = msgspec.field(default_factory=list)


class ListQuality(msgspec.Struct):
    """What the list is like: `diversity` is 1 − mean cosine of its pairs, `novelty` the mean surprise in bits,
    `coverage` its distinct categories over the most that so many products could have."""

    diversity: float
    novelty: float
    coverage: float


class GraphRecommendations(Recommendations):
    """Products, best first, with reasons and what the list is like; see `Recommendations`."""

    recommendations: list[ExplainedProduct]  # type: ignore[assignment]
    quality: ListQuality | None = None

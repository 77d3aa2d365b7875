"""The services beside the assistant: the describer that stands in for the model, the recommender it explains."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import httpx
from pydantic import ValidationError

from vitrina.errors import ServiceError
from vitrina.llm.assistant.messages import RecommendRequest
from vitrina.llm.prompts.variables import Candidate, DescribeAnswer, DescribeInputs

logger = logging.getLogger("vitrina.llm")

CONNECT_SECONDS = 1.0
TONES = {"professional": "formal", "casual": "friendly", "technical": "neutral"}
"""The describer's word for a tone, where it has another."""
AUDIENCES = ("children", "families", "adults", "women", "men", "professionals")
"""The readers that the describer knows."""
SHORT, MEDIUM = 30, 70
"""Words up to which a description is short, or medium."""
SPARE = 4
"""Candidates for each recommendation that is wanted, so that there is something to choose."""
FEWEST, MOST = 10, 50
MENTIONED_ATTRIBUTES = 60


class Peer:
    """A service of the shop that is asked over HTTP, by one connection pool."""

    def __init__(self, what: str, url: str, key: str | None, seconds: float) -> None:
        """`what` names it in messages."""
        self._what = what
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={"x-api-key": key} if key else {},
            timeout=httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
        )

    async def _asked(self, path: str, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        """What it answers.

        Raises:
            ServiceError: when it cannot be reached, does not answer in time or refuses; says which.
        """
        try:
            answer = await self._client.post(path, json=body, headers={"x-request-id": request_id})
            found: dict[str, Any] = answer.json()
        except httpx.TimeoutException as error:
            raise ServiceError(f"The {self._what} did not answer in time.") from error
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise ServiceError(f"The {self._what} cannot be reached.") from error
        if answer.status_code != 200:
            said = found.get("error", {}).get("message", "") if isinstance(found, dict) else ""
            raise ServiceError(f"The {self._what} answered {answer.status_code}. {said}".strip())
        return found


class Describer(Peer):
    """A served `product_describer`."""

    def __init__(self, url: str, key: str | None, seconds: float) -> None:
        super().__init__("product describer", url, key, seconds)

    async def describe(self, inputs: DescribeInputs, request_id: str) -> tuple[DescribeAnswer, str]:
        """Its description of a product, and its version. Its texts are escaped already.

        Raises:
            ServiceError: when it gives none.
        """
        found = await self._asked("/ai/generate-description", _features(inputs), request_id)
        try:
            answer = DescribeAnswer(title=found["seo"]["title"], description=found["description"])
            return answer, str(found["version"])
        except (KeyError, TypeError, ValidationError) as error:
            raise ServiceError("The product describer answered something else than a description.") from error


class RecommenderClient(Peer):
    """A served recommender."""

    def __init__(self, url: str, key: str | None, seconds: float) -> None:
        super().__init__("recommender", url, key, seconds)

    async def candidates(self, request: RecommendRequest, request_id: str) -> Sequence[Candidate]:
        """Products to choose from, best first; may be empty.

        Raises:
            ServiceError: when it gives none.
        """
        found = await self._asked("/ai/recommend", _wish(request), request_id)
        try:
            return [_candidate(each) for each in found["recommendations"]]
        except (KeyError, TypeError, ValidationError) as error:
            raise ServiceError("The recommender answered something else than recommendations.") from error


def _features(inputs: DescribeInputs) -> dict[str, Any]:
    """The describer's request: `contracts.product_description.DescriptionRequest`."""
    product, words = inputs.product, inputs.max_words
    attributes = list(product.attributes.items())[:MENTIONED_ATTRIBUTES]
    asked = {
        "title": product.title,
        "brand": product.brand,
        "category": product.category,
        "price": product.price,
        "currency": product.currency,
        "price_band": inputs.price_band,
        "attributes": dict(attributes),
        "language": inputs.language,
        "tone": TONES.get(inputs.tone, inputs.tone),
        "audience": inputs.audience if inputs.audience in AUDIENCES else None,
        "length": "short" if words <= SHORT else "medium" if words <= MEDIUM else "long",
        "keywords": inputs.keywords,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _wish(request: RecommendRequest) -> dict[str, Any]:
    """The recommender's request: `contracts.recommendation.RecommendationRequest`."""
    budget = request.customer.budget
    filters = {
        "category": request.category,
        "min_price": budget.minimum if budget and budget.minimum else None,
        "max_price": budget.maximum if budget else None,
        "exclude": request.exclude,
    }
    session = [
        {"product_id": each.product_id, "event": each.event}
        for each in request.customer.session
        if each.product_id and each.event != "rating"  # a rating without its stars says nothing
    ]
    return {
        **({"user_id": request.user_id} if request.user_id else {}),
        "k": min(MOST, max(FEWEST, SPARE * request.count)),
        "events": session,
        "filters": {name: value for name, value in filters.items() if value is not None},
    }


def _candidate(product: dict[str, Any]) -> Candidate:
    known = ("product_id", "title", "score", "price", "currency", "category")
    return Candidate.model_validate({name: product.get(name) for name in known})

"""A recommender at request time: its model, what users did since, and what the shop sells now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from vitrina.contracts.http import Refusal
from vitrina.contracts.recommendation import (
    ProductEvent,
    RecommendationRecord,
    RecommendationRequest,
    Recommendations,
    Recommended,
)
from vitrina.errors import ArtifactError
from vitrina.recommendation.filters import Filters
from vitrina.recommendation.histories import NOTHING, History, history_of
from vitrina.recommendation.shelf import Asked, Ranked, Recommender, Shelf
from vitrina.recommendation.splitting import segment
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories

LOGGED_HISTORY = 20
NOTHING_SHOWN = ""


class Served(msgspec.Struct, frozen=True, gc=False):
    """What was recommended, for the answer and the log; `label` is the category of the first product."""

    asked: Asked
    ranked: Ranked
    shelf: Shelf
    user_known: bool
    label: str
    popularity: float


class LiveRecommender:
    """A loaded model that answers requests with what is known now."""

    def __init__(self, model: Recommender, catalogue: CurrentCatalogue, live: LiveHistories) -> None:
        self.model = model
        self._catalogue = catalogue
        self._live = live

    def recommend(self, requests: Sequence[RecommendationRequest]) -> Sequence[Served | Refusal]:
        """One prediction per request; all are refused (503) while the configured catalogue cannot be read."""
        try:
            shelf = self._catalogue.shelf(self.model.shelf)
        except ArtifactError as error:
            refusal = Refusal(503, str(error), headers=((b"retry-after", b"5"),))
            return [refusal] * len(requests)
        known = [self._known(request) for request in requests]
        asked = [self._asked(request, history) for request, history in zip(requests, known, strict=True)]
        answers = self.model.rank(asked, shelf)
        return [
            self._served(one, ranked, shelf, len(history) > 0)
            for one, ranked, history in zip(asked, answers, known, strict=True)
        ]

    def _known(self, request: RecommendationRequest) -> History:
        """What is known of the user without this request: from training and kept since; an event counts once."""
        if request.user_id is None:
            return NOTHING
        trained = self.model.histories.of(request.user_id)
        kept = self._live.of(request.user_id)
        if not kept:
            return trained
        places = self.model.shelf.places
        products, events, values, times = zip(*kept, strict=True)
        since = history_of(places, products, times, events, values)
        return trained.then(_without(since, trained))

    def _asked(self, request: RecommendationRequest, known: History) -> Asked:
        wanted = request.filters
        filters = Filters(
            category=wanted.category,
            min_price=wanted.min_price,
            max_price=wanted.max_price,
            brands=tuple(wanted.brands) or None,
            in_stock=wanted.in_stock,
            exclude=tuple(wanted.exclude),
        )
        history = known.then(_without(self._sent(request.events), known)) if request.events else known
        excluded = history.bought if wanted.exclude_bought else np.empty(0, dtype=np.int64)
        return Asked(request.user_id, history, request.k, filters, excluded, request)

    def _sent(self, events: Sequence[ProductEvent]) -> History:
        """The events of a request; those without a time happened now, in the order given."""
        now = time.time()
        times = [event.timestamp.timestamp() if event.timestamp else now for event in events]
        ordered = [events[place] for place in sorted(range(len(events)), key=times.__getitem__)]
        return history_of(
            self.model.shelf.places,
            [event.product_id for event in ordered],
            sorted(times),
            [event.event for event in ordered],
            [event.value for event in ordered],
        )

    def _served(self, asked: Asked, ranked: Ranked, shelf: Shelf, known: bool) -> Served:
        first = shelf.categories[ranked.places[0]] if len(ranked.places) else None
        shown = float(self.model.popularity[ranked.places].mean()) if len(ranked.places) else 0.0
        return Served(asked, ranked, shelf, known, first or NOTHING_SHOWN, shown)


def _without(new: History, known: History) -> History:
    """The events of `new` that `known` does not hold: what was sent twice, or was trained on meanwhile."""
    if not len(known):
        return new
    held = set(zip(known.items.tolist(), known.times.tolist(), known.weights.tolist(), strict=True))
    each = zip(new.items.tolist(), new.times.tolist(), new.weights.tolist(), strict=True)
    fresh = np.array([event not in held for event in each], dtype=bool)
    return History(new.items[fresh], new.times[fresh], new.weights[fresh])


def recommend(recommender: LiveRecommender, requests: list[Any]) -> Sequence[Served | Refusal]:
    """Run a batch of requests."""
    return recommender.recommend(requests)


def recommended(served: Served) -> list[Recommended]:
    """The products of an answer, best first."""
    shelf, ranked = served.shelf, served.ranked
    reasons: Sequence[str | None] = ranked.reasons or [None] * len(ranked.places)
    return [
        Recommended(
            product_id=shelf.ids[place],
            title=shelf.titles[place] or shelf.ids[place],
            score=score,
            price=shelf.prices[place],
            currency=shelf.currencies[place],
            category=shelf.categories[place],
            reason=reason,
        )
        for place, score, reason in zip(ranked.places.tolist(), ranked.scores.tolist(), reasons, strict=True)
    ]


def answer(served: Served, model: str, version: str, request_id: str) -> Recommendations:
    """The body of an answer."""
    return Recommendations(
        recommendations=recommended(served),
        cold_start=served.ranked.cold,
        user_known=served.user_known,
        model=model,
        version=version,
        request_id=request_id,
    )


def record(request: Any, served: Served, model: str, version: str, request_id: str) -> RecommendationRecord:
    """The line of the prediction log."""
    ids, ranked, history = served.shelf.ids, served.ranked, served.asked.history
    return RecommendationRecord(
        request_id=request_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        user_id=request.user_id,
        history=[ids[place] for place in history.last(LOGGED_HISTORY).items.tolist()],
        shown=[ids[place] for place in ranked.places.tolist()],
        label=served.label,
        score=float(ranked.scores[0]) if len(ranked.scores) else 0.0,
        popularity=served.popularity,
        segment=segment(len(history.distinct)),
        length=len(history),
    )

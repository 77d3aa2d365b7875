"""Requests → ranked, diverse and explained products, from a model folder; NumPy and SciPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.graph_recommendation import GraphRecommendationRequest
from vitrina.errors import ArtifactError
from vitrina.families.graph_recommender.attention import PARAMETERS, Attention
from vitrina.families.graph_recommender.listing import ListMeasures, measures
from vitrina.families.graph_recommender.reading import INTENTS, Reading, read
from vitrina.families.graph_recommender.reasons import Because, SharedCustomers, because, popular, sentence
from vitrina.families.graph_recommender.scoring import Scores
from vitrina.families.graph_recommender.walk import Exponents, Walk
from vitrina.families.layers.recommenders import ShopRecommender, categories_of
from vitrina.recommendation.diversity import mmr
from vitrina.recommendation.histories import LONGEST, Histories, History
from vitrina.recommendation.ranking import top
from vitrina.recommendation.shelf import Asked, Ranked, Shelf

VECTORS = "vectors.safetensors"
CHOICES = "choices"
CANDIDATES = 1000
"""Best products that a list is composed of, however short: so a short list is the beginning of a longer one."""


@dataclass(frozen=True)
class Listed:
    """What else is said of an answer: why each product is in it, and what the list is like."""

    because: list[list[Because]]
    measures: ListMeasures


class GraphPredictor(ShopRecommender):
    """Ranks by attention over the vectors of a history and by a walk along the training graph."""

    def __init__(self, folder: Path, attention: Attention, training: Histories) -> None:
        super().__init__(folder)
        settings = self.settings
        self.shared = SharedCustomers(training)
        walk = Walk(self.shared.chosen, Exponents(**settings["exponents"]))
        self.scores = Scores(attention, walk, float(settings["share"]))
        self._diversity = float(settings["diversity"])
        self._categories = categories_of(self.shelf)
        if not len(self.shelf) == len(attention.products) == len(training.products):
            raise ArtifactError(f"{folder} is damaged: products, vectors and choices do not agree.")

    def rank(self, asked: Sequence[Asked], shelf: Shelf) -> list[Ranked]:
        """The best products for each request, out of those that `shelf` offers; see `GraphRecommendationRequest`."""
        readings = [read(one.history) for one in asked]
        intents = [INTENTS.index(_wish(one).intent) for one in asked]
        scores, weights = self.scores.weighted(readings, intents)
        return [
            self._listed(one, reading, row, parts, shelf)
            for one, reading, row, parts in zip(asked, readings, scores, weights, strict=True)
        ]

    def _listed(self, asked: Asked, reading: Reading, scores: np.ndarray, weights: np.ndarray, shelf: Shelf) -> Ranked:
        wish = _wish(asked)
        best = top(scores[None], CANDIDATES, shelf.allowed(asked.filters), [_hidden(asked)])[0]
        best = best[best >= 0]
        vectors = self.scores.attention.products
        diversity = self._diversity if wish.diversity is None else wish.diversity
        places = best[mmr(scores[best], vectors[best], asked.k, diversity)]
        cold = len(reading) == 0
        if not wish.explain:
            return Ranked(places, scores[places], cold)
        why = [] if cold else self._why(asked, reading, weights, places)
        reasons = self._sentences(why, places, asked.user, wish.language)
        listed = Listed(why, measures(places, vectors, self.customers, self._categories))
        return Ranked(places, scores[places], cold, reasons, listed)

    def _why(self, asked: Asked, reading: Reading, weights: np.ndarray, places: np.ndarray) -> list[list[Because]]:
        counts = self.shared.counts(reading.items, places, asked.user)
        intent = INTENTS.index(_wish(asked).intent)
        return because(
            asked.history, reading.items, self.scores.contributions(reading, intent, places, weights), counts
        )

    def _sentences(
        self, why: Sequence[Sequence[Because]], places: np.ndarray, user: str | None, language: str
    ) -> list[str]:
        each = why or [[]] * len(places)
        return [
            sentence(one, self.shelf.titles, self.shelf.ids, language)
            or popular(self.shared.customers(int(place), user), language)
            for one, place in zip(each, places, strict=True)
        ]

    def vectors(self, histories: Sequence[History], users: Sequence[str | None]) -> np.ndarray:
        """(histories, dimension) float32, unit length: what each user is like, by the history alone."""
        readings = [read(history) for history in histories]
        width = self.scores.attention.products.shape[1]
        if not readings:
            return np.empty((0, width), dtype=np.float32)
        return self.scores.attention.users(readings, [0] * len(readings)).astype(np.float32)


def _hidden(asked: Asked) -> np.ndarray:
    """What is not shown: who browses wants to see something new; what was only looked at may still be bought."""
    wish = _wish(asked)
    if wish.intent == "buy" or not wish.filters.exclude_bought:
        return asked.excluded
    return np.union1d(asked.excluded, asked.history.items).astype(np.int64)


PLAIN = GraphRecommendationRequest(explain=False)


def _wish(asked: Asked) -> GraphRecommendationRequest:
    """What a request says beyond whom to recommend to; the offline paths say nothing and want no explanations."""
    return asked.request if isinstance(asked.request, GraphRecommendationRequest) else PLAIN


def load(folder: Path, weights: str | None = None) -> GraphPredictor:
    """Load a model folder; there is one form of it, `weights` is not used.

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    longest = int(read_json(folder / "labels.json").get("history", 0)) or LONGEST
    try:
        arrays: dict[str, Any] = load_file(folder / VECTORS)
        parameters = {name: arrays[name] for name in PARAMETERS}
        attention = Attention(arrays["products"], arrays["degrees"], parameters, longest)
    except (OSError, SafetensorError, KeyError) as error:
        raise ArtifactError(f"{folder / VECTORS} cannot be read: {error}.") from error
    training = Histories.load(folder / CHOICES)
    try:
        return GraphPredictor(folder, attention, training)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks or misstates {error}.") from error

"""The two parts of a score together: the trained attention and the walk; what `finish` chooses and serving runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrina.families.graph_recommender.attention import Attention
from vitrina.families.graph_recommender.reading import Reading
from vitrina.families.graph_recommender.walk import Walk

TINY = 1e-9


class Scores:
    """Scores all products for readings: (1 − share) · attention + share · walk, each standardised per row.

    A walk that led nowhere has no part: an empty history is scored by the attention's constant alone.
    """

    def __init__(self, attention: Attention, walk: Walk, share: float) -> None:
        """`share` of the walk, 0–1."""
        self.attention, self.walk, self.share = attention, walk, share

    def __call__(self, readings: Sequence[Reading], intents: Sequence[int]) -> np.ndarray:
        """(readings, products) float32."""
        return self.weighted(readings, intents)[0]

    def weighted(self, readings: Sequence[Reading], intents: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The scores, and (readings, 2) what a unit of attention and of walk adds to the scores of a row."""
        learned = self.attention.scores(self.attention.users(readings, intents))
        walked = self.walk.scores(readings)
        weights = part_weights(learned, walked, self.share)
        return combined(learned, walked, weights), weights

    def contributions(self, reading: Reading, intent: int, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(n, places): what each product of a history adds to the scores of some products; `weights` of its row."""
        learned = self.attention.contributions(reading, intent, places)
        return weights[0] * learned + weights[1] * self.walk.contributions(reading, places)


def mixed(learned: np.ndarray, walked: np.ndarray, share: float) -> np.ndarray:
    """Both parts (rows, products), standardised per row and mixed."""
    return combined(learned, walked, part_weights(learned, walked, share))


def part_weights(learned: np.ndarray, walked: np.ndarray, share: float) -> np.ndarray:
    """(rows, 2) float32: share over standard deviation of each part, the walk's 0 where it led nowhere."""
    part = np.where(walked.any(axis=1), share, 0.0)
    spreads = (np.maximum(each.std(axis=1), TINY) for each in (learned, walked))
    return np.stack([weight / spread for weight, spread in zip((1 - part, part), spreads, strict=True)], 1).astype("f4")


def combined(learned: np.ndarray, walked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted sum of both parts, each centred; (rows, products)."""
    centred = (each - each.mean(axis=1, keepdims=True) for each in (learned, walked))
    return sum(weights[:, place, None] * each for place, each in enumerate(centred))

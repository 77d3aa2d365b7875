"""The two parts of a score together: the trained attention and the walk; what `finish` chooses and serving runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrina.families.graph_recommender.attention import Attention
from vitrina.families.graph_recommender.reading import Reading
from vitrina.families.graph_recommender.walk import Walk


class Scores:
    """Scores all products for readings: (1 − share) · attention + share · walk, each standardised per row."""

    def __init__(self, attention: Attention, walk: Walk, share: float) -> None:
        """`share` of the walk, 0–1."""
        self.attention, self.walk, self.share = attention, walk, share

    def __call__(self, readings: Sequence[Reading], intents: Sequence[int]) -> np.ndarray:
        """(readings, products) float32; an empty history is scored by the attention's constant alone."""
        learned = self.attention.scores(self.attention.users(readings, intents))
        return mixed(learned, self.walk.scores(readings), self.share)

    def contributions(self, reading: Reading, intent: int, places: np.ndarray) -> np.ndarray:
        """(n, places): what each product of a history adds to the scores of some products."""
        learned = self.attention.contributions(reading, intent, places)
        own = self.attention.scores(self.attention.users([reading], [intent]))
        walked = self.walk.scores([reading])
        if not walked.any():
            return learned / max(float(own.std()), TINY)
        steps = self.walk.contributions(reading, places)
        return (1 - self.share) * learned / max(float(own.std()), TINY) + self.share * steps / float(walked.std())


TINY = 1e-9


def mixed(learned: np.ndarray, walked: np.ndarray, share: float) -> np.ndarray:
    """Both parts (rows, products), standardised per row and mixed; a walk that led nowhere has no part."""
    reached = walked.any(axis=1, keepdims=True)
    part = np.where(reached, np.float32(share), np.float32(0.0))
    return (1 - part) * standardised(learned) + part * standardised(walked)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Each row with mean 0 and standard deviation 1."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), TINY)

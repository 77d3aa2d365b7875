"""What the attention over a history is told of each of its products; NumPy only: training and serving share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.recommendation.histories import EVENT_WEIGHTS, LONGEST, History

FEATURES = ("strength", "age", "place")
DAY = 86_400.0
STRONGEST = 4.0
"""Strength is stated in purchases."""

INTENTS = ("browse", "buy")
"""What an answer is for: products to look at, or products to put into the cart."""

BUYING = EVENT_WEIGHTS["cart"]
"""Events of at least this weight say that somebody means to buy."""


@dataclass(frozen=True)
class Reading:
    """The liked products of a history, each once, by their last event, oldest first.

    Attributes:
        items: (n,) int64 places of products.
        features: (n, 3) float32: strength of all its events in purchases (at most 2), log(1 + days) before the
            newest event, log(1 + products that came later).
    """

    items: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    def last(self, count: int) -> Reading:
        """The `count` products that came last; features are counted from the end and stay."""
        return Reading(self.items[-count:], self.features[-count:])


def read(history: History, longest: int = LONGEST) -> Reading:
    """The last `longest` products of a history; what its user disliked is no reason to recommend."""
    items, inverse = np.unique(history.items, return_inverse=True)
    strength = np.bincount(inverse, weights=history.weights, minlength=len(items))
    last = np.zeros(len(items), dtype=np.int64)
    np.maximum.at(last, inverse, np.arange(len(history)))
    kept = np.flatnonzero(strength > 0)
    order = kept[np.argsort(last[kept])][-longest:]
    if not len(order):
        return Reading(np.empty(0, np.int64), np.empty((0, len(FEATURES)), np.float32))
    times = history.times[last[order]]
    columns = [
        np.minimum(strength[order] / STRONGEST, 2.0),
        np.log1p((times.max() - times) / DAY),
        np.log1p(np.arange(len(order))[::-1]),
    ]
    return Reading(items[order].astype(np.int64), np.stack(columns, axis=1).astype(np.float32))


def padded_readings(readings: Sequence[Reading]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (rows, longest) int64 with 0 for padding, features (rows, longest, 3) and what is no padding (bool)."""
    longest = max(max((len(reading) for reading in readings), default=0), 1)
    items = np.zeros((len(readings), longest), dtype=np.int64)
    features = np.zeros((len(readings), longest, len(FEATURES)), dtype=np.float32)
    present = np.zeros(items.shape, dtype=bool)
    for row, reading in enumerate(readings):
        items[row, : len(reading)] = reading.items
        features[row, : len(reading)] = reading.features
        present[row, : len(reading)] = True
    return items, features, present

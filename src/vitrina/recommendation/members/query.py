"""A history as the weighted row of products that a linear member multiplies with what it learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from vitrina.recommendation.histories import Histories, History


@dataclass(frozen=True)
class Query:
    """How much each product of a history counts.

    Attributes:
        recency: a product r-th from the end counts r^-recency: 0 is all alike, 2 is hardly more than the last.
        last: only so many last products count; 0 is all.
        strength: the power of the events' summed weight: 0 is bought as good as viewed, 1 is in proportion.
    """

    recency: float = 0.0
    last: int = 0
    strength: float = 0.0

    def matrix(self, batch: Sequence[History], products: int) -> sparse.csr_matrix:
        """(batch, products) float32; disliked products are left out."""
        rows, items, weights = liked(batch)
        ends = np.searchsorted(rows, np.arange(len(batch)), side="right")
        rank = (ends[rows] - np.arange(len(rows))).astype(np.float32)  # 1: the last product
        values = rank**-self.recency * np.maximum(weights, 1e-6) ** self.strength
        if self.last:
            values[rank > self.last] = 0
        matrix = sparse.csr_matrix((values.astype(np.float32), (rows, items)), shape=(len(batch), products))
        matrix.eliminate_zeros()
        return matrix


def liked(batch: Sequence[History]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, product and summed weight of every product liked in a history, a row's by the time of their last event."""
    rows = np.repeat(np.arange(len(batch), dtype=np.int64), [len(history) for history in batch])
    if not len(rows):
        return rows, np.empty(0, np.int32), np.empty(0, np.float32)
    items = np.concatenate([history.items for history in batch])
    weights = np.concatenate([history.weights for history in batch])
    return _by_last_event(rows, items, weights)


def sequences(histories: Histories) -> tuple[np.ndarray, np.ndarray]:
    """User and product of everything liked, a user's by the time of the last event with it."""
    users, items, _ = _by_last_event(histories.user_of.astype(np.int64), histories.items, histories.weights)
    return users, items


def _by_last_event(
    rows: np.ndarray, items: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    width = int(items.max()) + 1 if len(items) else 1
    _, first, inverse = np.unique((rows * width + items)[::-1], return_index=True, return_inverse=True)
    total = np.bincount(inverse, weights=weights[::-1])
    places = len(items) - 1 - first
    places, total = places[total > 0], total[total > 0]
    order = np.argsort(places)
    chosen = places[order]
    return rows[chosen], np.asarray(items)[chosen], total[order].astype(np.float32)

"""A list that is not ten times the same: re-ranking by maximal marginal relevance, and how diverse a list is."""

from __future__ import annotations

import numpy as np

from vitrina.evaluation.recommendation import coverage, novelty

__all__ = ["coverage", "intra_list_diversity", "mmr", "novelty"]


def mmr(scores: np.ndarray, vectors: np.ndarray, k: int, diversity: float) -> np.ndarray:
    """Maximal marginal relevance (Carbonell and Goldstein, 1998): places of the `k` chosen, in order, int64.

    The next product is that of the largest (1 − diversity) · relevance − diversity · (largest cosine with what is
    chosen); relevance is the score brought to 0–1. With 0 the list is that of the scores.

    Args:
        scores: (candidates,), higher is better.
        vectors: (candidates, dimension), any length; zeros are like nothing.
        diversity: 0–1.
    """
    k = min(k, len(scores))
    if k == 0:
        return np.empty(0, dtype=np.int64)
    spread = float(scores.max() - scores.min())
    relevance = (scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores))
    units = _units(vectors)
    closest = np.zeros(len(scores))
    available = np.ones(len(scores), dtype=bool)
    chosen = np.empty(k, dtype=np.int64)
    for place in range(k):
        value = np.where(available, (1 - diversity) * relevance - diversity * closest, -np.inf)
        chosen[place] = int(value.argmax())
        available[chosen[place]] = False
        closest = np.maximum(closest, units @ units[chosen[place]])
    return chosen


def intra_list_diversity(vectors: np.ndarray) -> float:
    """Mean of 1 − cosine over the pairs of one list (products, dimension), 0–2; 0 for fewer than two products."""
    units = _units(vectors)
    count = len(units)
    if count < 2:
        return 0.0
    total = units.sum(axis=0)
    alike = (total @ total - (units * units).sum()) / (count * (count - 1))
    return float(1 - alike)


def _units(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors, dtype=float), where=lengths > 0)

"""One score from two: how near in meaning, how alike in letters. Pure functions on arrays of any shape."""

from __future__ import annotations

import numpy as np

VECTOR_WEIGHT = 0.5


def fused(
    vector: np.ndarray, lexical: np.ndarray, best: np.ndarray | float, weight: float = VECTOR_WEIGHT
) -> np.ndarray:
    """weight · cosine + (1 - weight) · BM25 / best, a convex combination (Bruch et al., 2022).

    Args:
        best: the query's highest BM25, which brings that score to 0-1; where it is 0, nothing matched.
    """
    scale = np.where(np.asarray(best) > 0, best, 1)
    return weight * vector + (1 - weight) * lexical / scale


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the `k` highest scores, best first; ties in order of position."""
    if k < len(scores):
        kth = np.partition(scores, len(scores) - k)[len(scores) - k]
        chosen = np.flatnonzero(scores > kth)
        ties = np.flatnonzero(scores == kth)[: k - len(chosen)]
        chosen = np.sort(np.concatenate([chosen, ties]))
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")]

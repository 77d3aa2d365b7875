"""Metrics of a ranking with several right answers: nDCG, recall and reciprocal rank at a depth; NumPy only."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def top(scores: np.ndarray, depth: int) -> np.ndarray:
    """(queries, items) scores → (queries, at most `depth`) item numbers, best first; equal scores in item order."""
    depth = min(depth, scores.shape[1])
    # The first `depth` of a partition are unordered and break ties anyhow: take what is above the last, then fill up
    # with its equals in item order. Sorting the equals too would cost a whole sort where most scores are zero.
    last = np.partition(scores, scores.shape[1] - depth, axis=1)[:, scores.shape[1] - depth]
    best = np.empty((len(scores), depth), dtype=np.int64)
    for i, row in enumerate(scores):
        above = np.flatnonzero(row > last[i])
        best[i, : len(above)] = above[np.argsort(-row[above], kind="stable")]
        best[i, len(above) :] = np.flatnonzero(row == last[i])[: depth - len(above)]
    return best


def hits(ranked: np.ndarray, relevant: Sequence[Collection[int]]) -> np.ndarray:
    """Whether each ranked item (queries, depth) is one of its query's relevant ones: bool, the same shape."""
    found = [np.isin(row, list(right)) for row, right in zip(ranked, relevant, strict=True)]
    return np.array(found, dtype=bool).reshape(ranked.shape)


def ndcg(found: np.ndarray, counts: Sequence[int] | np.ndarray, depth: int = 10) -> np.ndarray:
    """nDCG at `depth` of every query, 0–1 (Järvelin and Kekäläinen, 2002); 0 where nothing is relevant.

    Args:
        found: (queries, at least `depth` unless the corpus is smaller) bool, see `hits`.
        counts: how many items are relevant to each query.
    """
    gains = 1 / np.log2(np.arange(2, depth + 2))
    reached = found[:, :depth] @ gains[: found.shape[1]]
    best = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(counts, depth)]
    return np.divide(reached, best, out=np.zeros(len(found)), where=best > 0)


def recall(found: np.ndarray, counts: Sequence[int] | np.ndarray, depth: int = 10) -> np.ndarray:
    """Share of the relevant items among the first `depth`, of every query; 0 where nothing is relevant."""
    total = np.asarray(counts, dtype=float)
    return np.divide(found[:, :depth].sum(1), total, out=np.zeros(len(found)), where=total > 0)


def reciprocal_rank(found: np.ndarray) -> np.ndarray:
    """1 / rank of the first relevant item, of every query; 0 where none was ranked."""
    return np.where(found.any(1), 1 / (found.argmax(1) + 1), 0.0) if found.shape[1] else np.zeros(len(found))

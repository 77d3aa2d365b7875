"""A second, slower look at the first products of an answer: by whatever the caller brings, usually a cross-encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vitrina.errors import UsageError
from vitrina.search.engine import Hit

CANDIDATES = 30
"""Products looked at again: about 0.2 s with a small cross-encoder on one core."""

Reranker = Callable[[str, Sequence[Hit]], Sequence[tuple[int, float]]]
"""Query and hits → (position among the hits, score) pairs, best first."""


def candidates(k: int) -> int:
    """How many products to search for when the best `k` of them are wanted after re-ranking."""
    return max(k, CANDIDATES)


def reranked(text: str, hits: Sequence[Hit], reranker: Reranker, k: int) -> list[Hit]:
    """The best `k` of `hits` by the re-ranker's score, which replaces theirs.

    Raises:
        UsageError: for an empty text.
    """
    if not text.strip():
        raise UsageError("Re-ranking needs a query text.")
    return [replace(hits[position], score=score) for position, score in reranker(text, hits)][:k]

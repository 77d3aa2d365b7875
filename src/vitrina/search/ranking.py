"""Which rows of an opened index answer a query: by vector, by letters, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vitrina.search.engine import Filters, Hit
from vitrina.search.fusion import fused, top
from vitrina.search.lexical import bm25
from vitrina.search.manifest import Manifest
from vitrina.search.segment import Segment

POOL = 100
"""Candidates that each side proposes to a hybrid search, at least."""

Ranking = tuple[np.ndarray, np.ndarray]
"""Row numbers, counted through all segments, and their scores; best first."""


@dataclass(frozen=True)
class Snapshot:
    """One state of an index, opened."""

    manifest: Manifest
    segments: tuple[Segment, ...]

    @cached_property
    def offsets(self) -> np.ndarray:
        """The number of each segment's first row when all rows are counted through, and their sum."""
        return np.cumsum([0, *(len(segment) for segment in self.segments)])

    def passing(self, filters: Filters) -> list[np.ndarray | None]:
        """For each segment: which rows are there and pass; None for all."""
        return [_both(segment.live, segment.rows.passing(filters)) for segment in self.segments]

    def hit(self, row: int, score: float) -> Hit:
        """One row, counted through all segments, as an answer."""
        place = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return self.segments[place].rows.hit(row - int(self.offsets[place]), score)


Passing = Sequence[np.ndarray | None]


def by_vector(snapshot: Snapshot, query: np.ndarray, k: int, passing: Passing) -> Ranking:
    """The rows nearest to a normalised query."""
    found = [segment.vectors.nearest(query, k, mask) for segment, mask in zip(snapshot.segments, passing, strict=True)]
    rows = np.concatenate([rows + first for (rows, _), first in zip(found, snapshot.offsets, strict=False)])
    scores = np.concatenate([scores for _, scores in found])
    order = top(scores, k)
    return rows[order], scores[order]


def by_words(snapshot: Snapshot, text: str, k: int, passing: Passing) -> Ranking:
    """The rows that match a text; only those with a word or n-gram in common."""
    scores = _lexical(snapshot, text, passing)
    order = top(scores, k)
    order = order[scores[order] > 0]
    return order, scores[order]


def by_both(snapshot: Snapshot, text: str, query: np.ndarray, k: int, passing: Passing) -> Ranking:
    """The best of what either side proposes, each candidate scored by both."""
    lexical = _lexical(snapshot, text, passing)
    worded = top(lexical, max(k, POOL))
    near, _ = by_vector(snapshot, query, max(k, POOL), passing)
    rows = np.union1d(worded[lexical[worded] > 0], near)
    scores = fused(_cosines(snapshot, query, rows), lexical[rows], lexical.max(initial=0))
    order = top(scores, k)
    return rows[order], scores[order]


def _lexical(snapshot: Snapshot, text: str, passing: Passing) -> np.ndarray:
    """BM25 of all rows; 0 where a row does not pass."""
    scores = bm25(text, [segment.lexicon for segment in snapshot.segments])
    for each, mask in zip(scores, passing, strict=True):
        if mask is not None:
            each[~mask] = 0
    return np.concatenate(scores)


def _cosines(snapshot: Snapshot, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of ascending row numbers."""
    parts = np.split(rows, np.searchsorted(rows, snapshot.offsets[1:-1]))
    return np.concatenate(
        [
            segment.vectors.scores(query, part - first)
            for segment, part, first in zip(snapshot.segments, parts, snapshot.offsets, strict=False)
        ]
    )


def _both(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other

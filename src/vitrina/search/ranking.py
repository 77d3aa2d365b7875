"""Which rows of an opened index answer a query: by vector, by letters, or by both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vitrina.search.engine import Filters, Hit
from vitrina.search.fusion import fused, top
from vitrina.search.lexical import Query
from vitrina.search.manifest import Manifest
from vitrina.search.segment import Segment

POOL = 100
"""Candidates that the vectors propose to a hybrid search, at least."""

FINALISTS = 200
"""Candidates that the letters propose, at least."""

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
    rows, scores = _worded(snapshot, text, max(k, FINALISTS), passing)
    order = top(scores, k)
    order = order[scores[order] > 0]
    return rows[order], scores[order]


def by_both(snapshot: Snapshot, text: str, vector: np.ndarray, k: int, passing: Passing) -> Ranking:
    """The best of what either side proposes, each candidate scored by both."""
    near, _ = by_vector(snapshot, vector, max(k, POOL), passing)
    rows, lexical = _worded(snapshot, text, max(k, FINALISTS), passing, near)
    cosines = _of_rows(snapshot, rows, lambda place, own: snapshot.segments[place].vectors.scores(vector, own))
    scores = fused(cosines, lexical, lexical.max(initial=0))
    order = top(scores, k)
    return rows[order], scores[order]


def _worded(
    snapshot: Snapshot, text: str, count: int, passing: Passing, others: Sequence[int] | np.ndarray = ()
) -> Ranking:
    """About the `count` best matches and the rows `others`, by BM25; in the order of the rows."""
    query = Query(text, [segment.lexicon for segment in snapshot.segments])
    proposed, complete = query.promising()
    whole = np.concatenate(proposed)
    allowed = [each if mask is None else np.where(mask, each, 0) for each, mask in zip(proposed, passing, strict=True)]
    found = np.concatenate(allowed)
    matching = np.flatnonzero(found)
    best = matching[top(found[matching], count)]
    rows = np.union1d(best, np.asarray(others, dtype=np.int64))
    return rows, whole[rows] if complete else _of_rows(snapshot, rows, query.scores_of)


def _of_rows(snapshot: Snapshot, rows: np.ndarray, score: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
    """Scores of ascending row numbers; `score` is given a segment's number and its own rows."""
    parts = np.split(rows, np.searchsorted(rows, snapshot.offsets[1:-1]))
    firsts = snapshot.offsets[:-1]
    return np.concatenate([score(place, part - firsts[place]) for place, part in enumerate(parts)])


def _both(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other

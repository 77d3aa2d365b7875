"""A trained graph recommender beside simple ones, on the same validation rows: what its card says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vitrina.evaluation import ranking
from vitrina.evaluation.recommendation import per_user
from vitrina.families.graph_recommender.batches import BROWSE, Held
from vitrina.families.graph_recommender.reading import read
from vitrina.families.graph_recommender.scoring import Scores
from vitrina.families.layers.comparison import Compared
from vitrina.recommendation import members
from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.ranking import top

BASELINES: dict[str, dict[str, Any]] = {
    "popularity": {},
    "item_knn": {},
    "ease": {"head": 4000},  # seconds; more products cost the cube
    "gfcf": {},
    "markov": {},
    "recent_knn": {},
}
CHUNK = 100
DEPTH = 20

Scorer = Callable[[Sequence[History]], np.ndarray]


def compare(scores: Scores, rows: Sequence[Held], training: Histories) -> list[Compared]:
    """This model first, then its two parts alone, then members fitted on the same events."""
    parts = {"graph_recommender": scores.share, "its attention alone": 0.0, "its walk alone": 1.0}
    found = [
        _measured(name, _ours(Scores(scores.attention, scores.walk, share)), rows) for name, share in parts.items()
    ]
    for name, options in BASELINES.items():
        began = time.perf_counter()
        member = members.fit(name, training, options)
        found.append(_measured(name, member.scores, rows, time.perf_counter() - began))
    return found


def _ours(scores: Scores) -> Scorer:
    return lambda histories: scores([read(history) for history in histories], [BROWSE] * len(histories))


def _measured(name: str, score: Scorer, rows: Sequence[Held], seconds: float | None = None) -> Compared:
    """Full ranking; what a row excludes is not shown."""
    lists = [
        top(score([row.history for row in part]), DEPTH, excluded=[row.excluded for row in part])
        for start in range(0, len(rows), CHUNK)
        if (part := rows[start : start + CHUNK])
    ]
    found = ranking.hits(np.concatenate(lists), [row.targets for row in rows])
    counts = np.array([len(row.targets) for row in rows])
    at_10, at_20 = per_user(found, counts, 10), per_user(found, counts, 20)
    return Compared(name, at_10["ndcg"], at_20["recall"], seconds, own=seconds is None)

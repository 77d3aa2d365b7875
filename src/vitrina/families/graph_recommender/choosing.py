"""What validation decides after training: the exponents of the walk, and how much the walk counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from vitrina.evaluation import ranking
from vitrina.families.graph_recommender.attention import Attention
from vitrina.families.graph_recommender.batches import BROWSE, Held
from vitrina.families.graph_recommender.reading import Reading, read
from vitrina.families.graph_recommender.scoring import mixed
from vitrina.families.graph_recommender.walk import Exponents, Walk
from vitrina.recommendation.ranking import top

ROWS = 1000
"""Validation users that decide; the first of a hash order, see `prepare`."""

CHUNK = 100
DEPTH = 20
STEPS = {
    "target": (0.2, 0.3, 0.4, 0.5, 0.6),
    "customer": (0.1, 0.2, 0.35, 0.5),
    "history": (0.0, 0.25, 0.5),
    "recency": (0.0, 0.3, 0.6, 1.0),
}
SHARES = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)


@dataclass(frozen=True)
class Choice:
    """The decision, and the mean nDCG@20 on the validation rows of attention alone, walk alone and both."""

    exponents: Exponents
    share: float
    measured: dict[str, float]


def choose(rows: Sequence[Held], attention: Attention, choices: sparse.csr_matrix) -> Choice:
    """Search one exponent after the other, then the share; equal ones: the first. Deterministic."""
    asked = [row for row in rows if len(row.targets)]
    asked = asked[:: max(1, len(asked) // ROWS)][:ROWS]
    readings = [read(row.history) for row in asked]
    exponents = Exponents()
    for name, values in STEPS.items():
        tried = [dataclasses.replace(exponents, **{name: value}) for value in values]
        qualities = [_quality(asked, readings, Walk(choices, one).scores) for one in tried]
        exponents = tried[int(np.argmax(qualities))]
    walk = Walk(choices, exponents)
    by_share = _shares(asked, readings, attention, walk)
    share = SHARES[int(np.argmax(by_share))]
    measured = {"attention_ndcg": by_share[0], "walk_ndcg": by_share[-1], "mixed_ndcg": max(by_share)}
    return Choice(exponents, share, measured)


def _shares(asked: Sequence[Held], readings: Sequence[Reading], attention: Attention, walk: Walk) -> list[float]:
    sums = np.zeros(len(SHARES))
    for start in range(0, len(asked), CHUNK):
        some = readings[start : start + CHUNK]
        learned = attention.scores(attention.users(some, [BROWSE] * len(some)))
        walked = walk.scores(some)
        sums += [ndcg(mixed(learned, walked, share), asked[start : start + CHUNK]).sum() for share in SHARES]
    return (sums / max(len(asked), 1)).tolist()


def _quality(
    asked: Sequence[Held], readings: Sequence[Reading], scores: Callable[[Sequence[Reading]], np.ndarray]
) -> float:
    total = sum(
        ndcg(scores(readings[start : start + CHUNK]), asked[start : start + CHUNK]).sum()
        for start in range(0, len(asked), CHUNK)
    )
    return float(total) / max(len(asked), 1)


def ndcg(scores: np.ndarray, asked: Sequence[Held]) -> np.ndarray:
    """(rows,) nDCG@20 of each row's targets; what it excludes is not ranked."""
    ranked = top(scores, DEPTH, excluded=[row.excluded for row in asked])
    found = ranking.hits(ranked, [row.targets for row in asked])
    return ranking.ndcg(found, [len(row.targets) for row in asked], DEPTH)

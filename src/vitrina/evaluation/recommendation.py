"""Metrics of recommendations: full ranking, several targets a user (NumPy only).

Lists are (users, k) places of products, best first, -1 where a list is shorter. Targets that no list can hold, products
outside the item space (-2), count as missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitrina.evaluation import ranking

KS = (10, 20)
SAMPLES = 2000


@dataclass(frozen=True)
class Measured:
    """What lists are worth.

    Attributes:
        metrics: `recall@k`, `ndcg@k`, `hit_rate@k`, `mrr@k`, `precision@k` for every k, and at the largest `coverage`,
            `novelty`, `diversity` (where the products' groups are known), `popularity`, `gini`.
        rows: (users,) nDCG at the smallest k, for the paired gate.
        intervals: 95% bootstrap interval over users of the metrics that are means over users.
        slices: by segment: rows, recall and ndcg at the smallest k.
    """

    metrics: dict[str, float]
    rows: np.ndarray
    intervals: dict[str, tuple[float, float]]
    slices: list[dict[str, Any]] = field(default_factory=list)


def measure(
    lists: np.ndarray,
    targets: Sequence[np.ndarray],
    *,
    popularity: np.ndarray,
    ks: Sequence[int] = KS,
    segments: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
) -> Measured:
    """Measure lists of at least max(`ks`) products (fewer where the catalogue is smaller).

    Args:
        targets: places of the relevant products of each user, one or more.
        popularity: (products,) how many users had each product in training.
        segments: the slice of each user.
        groups: (products,) int code of what makes two products alike, such as the category; negative: unknown.
    """
    counts = np.array([len(each) for each in targets])
    found = ranking.hits(lists, targets)
    by_user = {f"{name}@{k}": values for k in ks for name, values in per_user(found, counts, k).items()}
    metrics = {name: _mean(values) for name, values in by_user.items()}
    shown = lists[:, : max(ks)]
    metrics |= {
        "coverage": coverage(shown, len(popularity)),
        "novelty": _mean(novelty(shown, popularity)),
        "popularity": _mean(popularity_percentile(shown, popularity)),
        "gini": gini(np.bincount(shown[shown >= 0], minlength=len(popularity))),
    }
    if groups is not None:
        metrics["diversity"] = _mean(group_diversity(shown, groups))
    k = min(ks)
    slices = _slices(segments, {name: by_user[f"{name}@{k}"] for name in ("recall", "ndcg")}, k) if segments else []
    intervals = {name: interval(values) for name, values in by_user.items()}
    return Measured(metrics, by_user[f"ndcg@{k}"], intervals, slices)


def per_user(found: np.ndarray, counts: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """(users,) of each metric at `k`, 0–1. `found`: `ranking.hits`; `counts`: targets of each user."""
    inside = found[:, :k]
    return {
        "recall": ranking.recall(found, counts, k),
        "ndcg": ranking.ndcg(found, counts, k),
        "hit_rate": inside.any(1).astype(float),
        "mrr": ranking.reciprocal_rank(inside),
        "precision": inside.sum(1) / k,
    }


def interval(values: np.ndarray, *, samples: int = SAMPLES, seed: int = 7) -> tuple[float, float]:
    """95% percentile bootstrap interval of a mean over users (Efron and Tibshirani, 1993)."""
    return _bounds(_resampled(values, samples, seed)) if len(values) else (float("nan"), float("nan"))


def ratio_interval(
    ours: np.ndarray, theirs: np.ndarray, *, samples: int = SAMPLES, seed: int = 7
) -> tuple[float, float]:
    """95% bootstrap interval of mean(ours) / mean(theirs) over the same users."""
    means = _resampled(np.stack([ours, theirs], axis=1), samples, seed)
    return _bounds(means[:, 0] / means[:, 1])


def _resampled(values: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Means of resamples of the rows; rows that are equal are drawn together, which is exact and fast."""
    distinct, counts = np.unique(values, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    size = max(1, 20_000_000 // len(distinct))
    blocks = [
        rng.multinomial(len(values), counts / len(values), size=min(size, samples - start)) @ distinct / len(values)
        for start in range(0, samples, size)
    ]
    return np.concatenate(blocks)


def _bounds(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def coverage(lists: np.ndarray, products: int) -> float:
    """Share of the catalogue that is shown to anyone, 0–1."""
    return len(np.unique(lists[lists >= 0])) / products if products else 0.0


def novelty(lists: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """(users,) mean self-information of what is shown, in bits: −log2 of the product's share of events.

    (Zhou et al., 2010.) A product without an event counts as half of one.
    """
    share = np.maximum(popularity, 0.5) / max(float(popularity.sum()), 1.0)
    return _list_mean(lists, -np.log2(share))


def popularity_percentile(lists: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """(users,) mean percentile of popularity of what is shown, 0–1: 1 is the most popular product."""
    return _list_mean(lists, percentiles(popularity))


def percentiles(popularity: np.ndarray) -> np.ndarray:
    """(products,) share of the products that are less popular, ties counted half."""
    ordered = np.sort(popularity)
    below, up_to = (np.searchsorted(ordered, popularity, side) for side in ("left", "right"))
    return (below + up_to) / (2 * max(len(popularity), 1))


def gini(shown: np.ndarray) -> float:
    """Inequality of how often each product is shown, 0 (all alike) to 1 (one product takes all)."""
    ordered = np.sort(shown.astype(float))
    total, count = ordered.sum(), len(ordered)
    if total == 0:
        return 0.0
    return float((2 * np.arange(1, count + 1) - count - 1) @ ordered / (count * total))


def group_diversity(lists: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(users,) share of the pairs in a list that are of different groups, 0–1; unknown groups are alone."""
    codes = np.where(lists >= 0, groups[np.maximum(lists, 0)], -1)
    codes = np.where((codes < 0) & (lists >= 0), -2 - np.arange(lists.shape[1]), codes)  # alone in its group
    valid = lists >= 0
    sizes = valid.sum(1)
    same = (codes[:, :, None] == codes[:, None, :]) & valid[:, :, None] & valid[:, None, :]
    pairs = sizes * (sizes - 1)
    return np.divide(pairs - (same.sum((1, 2)) - sizes), pairs, out=np.zeros(len(lists)), where=pairs > 0)


def _list_mean(lists: np.ndarray, values: np.ndarray) -> np.ndarray:
    valid = lists >= 0
    total = np.where(valid, values[np.maximum(lists, 0)], 0).sum(1)
    return np.divide(total, valid.sum(1), out=np.zeros(len(lists)), where=valid.any(1))


def _slices(segments: Sequence[str], values: dict[str, np.ndarray], k: int) -> list[dict[str, Any]]:
    names = np.asarray(segments)
    return [
        {"slice": "segment", "value": str(name), "rows": int((names == name).sum())}
        | {f"{metric}@{k}": float(each[names == name].mean()) for metric, each in values.items()}
        for name in sorted(set(segments))
    ]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")

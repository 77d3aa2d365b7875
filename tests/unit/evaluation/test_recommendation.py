from __future__ import annotations

import numpy as np
import pytest

from vitrina.evaluation import recommendation
from vitrina.evaluation.recommendation import measure

LISTS = np.array([[0, 1], [2, -1], [3, 0]])
TARGETS = [np.array([1]), np.array([2, 3]), np.array([-2])]
POPULARITY = np.array([6.0, 2.0, 0.0, 0.0])


def test_metrics_of_three_users_by_hand() -> None:
    found = measure(LISTS, TARGETS, popularity=POPULARITY, ks=(1, 2), segments=["light", "heavy", "heavy"])
    second = 1 / np.log2(3)
    assert found.metrics["recall@1"] == pytest.approx((0 + 0.5 + 0) / 3)
    assert found.metrics["recall@2"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.metrics["ndcg@2"] == pytest.approx((second + 1 / (1 + second)) / 3)
    assert found.metrics["hit_rate@2"] == pytest.approx(2 / 3)
    assert found.metrics["mrr@2"] == pytest.approx((0.5 + 1) / 3)
    assert found.metrics["precision@2"] == pytest.approx(1 / 3)
    assert found.metrics["coverage"] == 1.0
    assert found.rows.tolist() == [0, 1, 0]
    assert found.slices == [
        {"slice": "segment", "value": "heavy", "rows": 2, "recall@1": 0.25, "ndcg@1": 0.5},
        {"slice": "segment", "value": "light", "rows": 1, "recall@1": 0.0, "ndcg@1": 0.0},
    ]


def test_novelty_is_the_information_of_what_is_shown() -> None:
    rare = -np.log2(0.5 / 8)
    expected = [(-np.log2(6 / 8) - np.log2(2 / 8)) / 2, rare, (rare - np.log2(6 / 8)) / 2]
    assert recommendation.novelty(LISTS, POPULARITY) == pytest.approx(expected)


def test_popularity_is_a_percentile_with_ties_in_the_middle() -> None:
    assert recommendation.percentiles(POPULARITY).tolist() == [0.875, 0.625, 0.25, 0.25]
    assert recommendation.popularity_percentile(LISTS, POPULARITY)[0] == pytest.approx(0.75)


def test_gini_knows_equality_and_monopoly() -> None:
    assert recommendation.gini(np.array([2, 2, 2, 2])) == pytest.approx(0)
    assert recommendation.gini(np.array([8, 0, 0, 0])) == pytest.approx(0.75)
    assert recommendation.gini(np.zeros(4)) == 0


def test_diversity_counts_pairs_of_different_groups_and_unknown_ones_are_alone() -> None:
    lists = np.array([[0, 1, 2], [0, 1, -1], [2, 3, -1], [3, -1, -1]])
    groups = np.array([5, 5, -1, -1])
    assert recommendation.group_diversity(lists, groups).tolist() == pytest.approx([2 / 3, 0, 1, 0])


def test_intervals_hold_the_mean_and_ratios_their_value() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(2000)
    low, high = recommendation.interval(theirs)
    assert low < theirs.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * theirs.std() / np.sqrt(2000), rel=0.1)
    low, high = recommendation.ratio_interval(1.1 * theirs, theirs)
    assert low == pytest.approx(1.1)
    assert high == pytest.approx(1.1)

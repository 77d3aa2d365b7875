from __future__ import annotations

import numpy as np
import pytest

from vitrina.recommendation.diversity import intra_list_diversity, mmr

SCORES = np.array([1.0, 0.9, 0.8, 0.0])
VECTORS = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])


def test_without_diversity_the_list_is_that_of_the_scores() -> None:
    assert mmr(SCORES, VECTORS, 4, 0.0).tolist() == [0, 1, 2, 3]


def test_what_is_like_the_first_gives_way_to_what_is_not() -> None:
    assert mmr(SCORES, VECTORS, 3, 0.5).tolist() == [0, 2, 1]
    assert mmr(SCORES, VECTORS, 2, 1.0).tolist()[0] == 0


def test_lists_get_more_diverse_as_asked() -> None:
    rng = np.random.default_rng(0)
    scores, vectors = rng.random(200), rng.normal(size=(200, 8))
    vectors[:100] = vectors[0] + 0.1 * rng.normal(size=(100, 8))
    scores[:100] += 0.5
    found = [intra_list_diversity(vectors[mmr(scores, vectors, 20, each)]) for each in (0.0, 0.3, 0.8)]
    assert found[0] < found[1] < found[2]


def test_short_and_empty_lists_are_fine() -> None:
    assert mmr(np.ones(2), np.zeros((2, 3)), 5, 0.5).tolist() == [0, 1]
    assert mmr(np.empty(0), np.empty((0, 3)), 5, 0.5).tolist() == []


def test_diversity_of_a_list_is_the_mean_over_its_pairs() -> None:
    assert intra_list_diversity(VECTORS[:3]) == pytest.approx((0 + 1 + 1) / 3)
    assert intra_list_diversity(VECTORS[:1]) == 0
    assert intra_list_diversity(np.array([[1.0, 0], [-1.0, 0]])) == pytest.approx(2)

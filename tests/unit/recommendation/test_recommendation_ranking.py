from __future__ import annotations

import numpy as np

from vitrina.recommendation.ranking import top

SCORES = np.array([[0.1, 0.9, 0.5, 0.9], [0.4, 0.3, 0.2, 0.1]], dtype=np.float32)


def test_the_best_come_first_and_equal_scores_in_product_order() -> None:
    assert top(SCORES, 3).tolist() == [[1, 3, 2], [0, 1, 2]]
    assert top(SCORES, 9).shape == (2, 4)


def test_a_shorter_list_is_the_start_of_a_longer_one() -> None:
    scores = np.random.default_rng(0).integers(0, 20, (5, 300)).astype(np.float32)
    assert np.array_equal(top(scores, 10), top(scores, 20)[:, :10])


def test_masks_hold_for_all_or_for_each_row_and_missing_products_are_minus_one() -> None:
    allowed = np.array([False, True, False, True])
    assert top(SCORES, 3, allowed).tolist() == [[1, 3, -1], [1, 3, -1]]
    each = np.array([[True, True, False, False], [False, False, False, False]])
    assert top(SCORES, 2, each).tolist() == [[1, 0], [-1, -1]]
    assert top(SCORES, 2, allowed, [np.array([1]), np.array([1, 3])]).tolist() == [[3, -1], [-1, -1]]
    assert top(SCORES, 2, np.zeros(4, bool)).tolist() == [[-1, -1], [-1, -1]]


def test_the_callers_scores_stay_as_they_are() -> None:
    before = SCORES.copy()
    top(SCORES, 1, excluded=[np.array([1]), np.array([0])])
    assert np.array_equal(SCORES, before)

"""Attention and walk together."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.graph_recommender.scoring import mixed

LEARNED = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], np.float32)
WALKED = np.array([[10.0, 0.0, 0.0], [0.0, 0.0, 0.0]], np.float32)


def test_both_parts_are_brought_to_one_scale() -> None:
    scores = mixed(LEARNED, WALKED, 0.5)
    attention = (LEARNED[0] - 2) / LEARNED[0].std()
    walk = (WALKED[0] - WALKED[0].mean()) / WALKED[0].std()
    assert scores[0] == pytest.approx((attention + walk) / 2, abs=1e-5)


def test_a_walk_that_led_nowhere_leaves_all_to_the_attention() -> None:
    assert mixed(LEARNED, WALKED, 0.9)[1].argsort().tolist() == [2, 1, 0]
    assert mixed(LEARNED, WALKED, 1.0)[1].argsort().tolist() == [2, 1, 0]


def test_scores_that_are_all_alike_are_no_error() -> None:
    assert np.isfinite(mixed(np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32), 0.5)).all()

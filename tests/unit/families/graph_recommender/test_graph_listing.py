"""What a list is like."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.graph_recommender.listing import measures

VECTORS = np.array([[1, 0], [1, 0], [0.6, 0.8], [0, 1]], np.float32)


def test_measures_of_a_list_by_hand() -> None:
    customers, categories = np.array([2.0, 1, 1, 0]), np.array([0, 0, 1, -1])
    found = measures(np.array([0, 1, 3]), VECTORS, customers, categories)
    assert found.diversity == pytest.approx(1 - 1 / 3)  # the pairs have cosines 1, 0 and 0
    assert found.novelty == pytest.approx((1 + 2 + 3) / 3)  # shares 2/4, 1/4, and half a customer of 4
    assert found.coverage == pytest.approx(1 / 2)
    assert measures(np.array([], int), VECTORS, customers, categories).diversity == 0
    assert measures(np.array([2]), VECTORS, customers, categories).diversity == 0

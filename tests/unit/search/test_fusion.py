"""The fused score and the choice of the best."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.fusion import fused, top


def test_the_weight_goes_from_letters_to_meaning():
    vector, lexical = np.array([0.9, 0.1]), np.array([2.0, 10.0])
    np.testing.assert_allclose(fused(vector, lexical, 10.0, weight=1.0), vector)
    np.testing.assert_allclose(fused(vector, lexical, 10.0, weight=0.0), [0.2, 1.0])
    np.testing.assert_allclose(fused(vector, lexical, 10.0, weight=0.5), [0.55, 0.55])


def test_a_query_without_a_lexical_match_ranks_by_vector():
    vector = np.array([[0.3, 0.7], [0.2, 0.1]])
    scores = fused(vector, np.zeros((2, 2)), np.zeros((2, 1)))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores.argmax(1), [1, 0])


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 50))
def test_top_is_a_stable_sort_cut_off(values, k):
    scores = np.array(values, dtype=np.float32)
    np.testing.assert_array_equal(top(scores, k), np.argsort(-scores, kind="stable")[:k])

"""Two steps along the choices of the customers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from vitrina.families.graph_recommender import walk as walking
from vitrina.families.graph_recommender.graph import normalised_choices
from vitrina.families.graph_recommender.reading import Reading
from vitrina.families.graph_recommender.walk import Exponents, Walk

CHOICES = sparse.csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], np.float32))


def reading(*items: int) -> Reading:
    return Reading(np.array(items, dtype=np.int64), np.zeros((len(items), 3), np.float32))


def test_equal_exponents_of_a_half_are_the_linear_filter_of_gf_cf() -> None:
    normal = normalised_choices(CHOICES).toarray()
    expected = np.array([1, 0, 0, 0]) @ normal.T @ normal
    assert np.allclose(Walk(CHOICES, Exponents()).scores([reading(0)]), expected[None], atol=1e-6)


def test_exponents_damp_by_degree_and_later_products_count_for_more() -> None:
    exponents = Exponents(history=1.0, customer=0.5, target=0.0, recency=1.0)
    scores = Walk(CHOICES, exponents).scores([reading(0, 1)])[0]
    # Product 0 (one customer, one product came later) starts with 1/2, product 1 (two customers) with 1/2; customers
    # of two products: each step through one is damped by 1/2.
    assert scores == pytest.approx([0.5 * (0.5 + 0.5), 0.5 * (0.5 + 0.5) + 0.25, 0.25, 0.0])


def test_a_walk_leads_nowhere_without_a_history_and_stays_where_customers_are() -> None:
    scores = Walk(CHOICES, Exponents()).scores([reading(), reading(3)])
    assert not scores[0].any()
    assert np.flatnonzero(scores[1]).tolist() == [3]


def test_contributions_add_up_to_the_scores() -> None:
    walk = Walk(CHOICES, Exponents(history=0.3, customer=0.2, target=0.4, recency=0.5))
    places = np.array([2, 0])
    parts = walk.contributions(reading(0, 1, 3), places)
    assert np.allclose(parts.sum(0), walk.scores([reading(0, 1, 3)])[0, places], atol=1e-6)


def test_only_the_closest_customers_carry_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "CUSTOMERS", 1)
    walk = Walk(CHOICES, Exponents())
    near = walk.customers([reading(0, 1)])
    assert near.indices.tolist() == [0]  # shares both products
    assert walk.scores([reading(0, 1)])[0, 2] == 0

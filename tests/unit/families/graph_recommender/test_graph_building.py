"""The graph as compressed rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from vitrina.contracts.products import Product
from vitrina.families.graph_recommender.beginning import attribute_table, spectral_vectors, word_vectors
from vitrina.families.graph_recommender.graph import LARGEST_STRENGTH, build_graph, similar_products
from vitrina.recommendation.histories import Histories

CHOICES = sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, 1]], np.float32))


def histories_of(choices: np.ndarray) -> Histories:
    users, items = np.nonzero(choices)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(choices)))])
    names = [[f"{kind}{n}" for n in range(count)] for kind, count in zip("up", choices.shape, strict=True)]
    ones = np.ones(len(items), np.float32)
    return Histories(*names, offsets, items.astype(np.int32), np.arange(len(items), dtype=float), ones)


def test_edges_stand_in_both_directions_with_products_after_users() -> None:
    graph = build_graph(CHOICES * 3, sparse.csr_matrix(np.array([[1], [0], [1]], np.float32)))
    assert graph.nodes == 2 + 3 + 1
    neighbours = [graph.neighbours[graph.offsets[n] : graph.offsets[n + 1]].tolist() for n in range(graph.nodes)]
    assert neighbours == [[2, 3], [3, 4], [0, 5], [0, 1], [1, 5], [2, 4]]
    assert graph.product_nodes.tolist() == [2, 3, 4]
    assert graph.strengths[:2].tolist() == [3, 3]


def test_a_strength_is_capped_so_that_one_wholesaler_does_not_drown_the_rest() -> None:
    graph = build_graph(CHOICES * 1000, sparse.csr_matrix((3, 0), dtype=np.float32))
    assert graph.strengths.max() == LARGEST_STRENGTH


def test_a_link_between_products_counts_for_both() -> None:
    links = sparse.csr_matrix(([1.0], ([0], [2])), shape=(3, 3), dtype=np.float32)
    graph = build_graph(CHOICES, sparse.csr_matrix((3, 0), dtype=np.float32), links)
    first, last = 2, 4
    assert last in graph.neighbours[graph.offsets[first] : graph.offsets[first + 1]]
    assert first in graph.neighbours[graph.offsets[last] : graph.offsets[last + 1]]


def test_the_normalised_graph_has_one_over_the_root_of_both_degrees() -> None:
    graph = build_graph(CHOICES, sparse.csr_matrix((3, 0), dtype=np.float32))
    table = graph.normalised().toarray()
    assert np.allclose(table, table.T)
    assert table[0, 2] == pytest.approx(1 / np.sqrt(2 * 1))
    assert table[0, 3] == pytest.approx(1 / np.sqrt(2 * 2))


def test_similar_products_are_those_of_the_same_customers_and_never_the_product_itself() -> None:
    found = similar_products(CHOICES, 1, rows=2).toarray()
    # Products 0 and 2 share a customer with 1 only; 1 shares one with each: the first of equals.
    assert (found > 0).tolist() == [[False, True, False], [True, False, False], [False, True, False]]
    assert found[0, 1] == pytest.approx(1 / (2 * np.sqrt(1 * 2)))


def test_attributes_that_one_product_alone_has_are_no_nodes() -> None:
    products = [
        Product("a", category="Shoes", attributes={"colour": "Red"}),
        Product("b", category="Shoes", attributes={"colour": "red"}),
        Product("c", category="Lamps"),
    ]
    table = attribute_table(products, ("category", "brand", "colour"))
    assert table.toarray().tolist() == [[1, 1], [1, 1], [0, 0]]


def test_a_catalogue_without_any_attribute_has_no_attribute_nodes() -> None:
    assert attribute_table([Product("a"), Product("b")], ("category",)).shape == (2, 0)


def test_spectral_vectors_keep_two_groups_apart() -> None:
    users, products = spectral_vectors(histories_of(np.kron(np.eye(2), np.ones((4, 3)))), 4)
    assert users.shape == (8, 4)
    inner = products @ products.T
    assert inner[0, 1] > 0.5
    assert abs(inner[0, 5]) < 1e-3
    assert not products[:, 2:].any()  # the graph has two frequencies, the rest is no noise


def test_words_that_repeat_nowhere_give_no_vectors() -> None:
    assert word_vectors([Product("alpha"), Product("beta"), Product("gamma")], 2) is None

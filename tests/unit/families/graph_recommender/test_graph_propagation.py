"""Vectors that travel along the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.unit.families.graph_recommender.test_graph_sampling import a_graph
from vitrina.families.graph_recommender import propagation
from vitrina.families.graph_recommender.propagation import AttentionPropagation, LightPropagation, torch_csr
from vitrina.families.graph_recommender.sampling import sample


def test_final_vectors_are_those_of_training_when_every_neighbour_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "EDGES_AT_ONCE", 50)  # several pieces
    graph = a_graph()
    torch.manual_seed(0)
    module = AttentionPropagation(16, 3, 2, 0.5).eval()
    vectors = torch.randn(graph.nodes, 16)
    seeds = np.array([50, 2, 71])
    nodes, blocks = sample(graph, seeds, (1000,) * 3, np.random.default_rng(0))
    messages = [(torch.from_numpy(block.edges), torch.from_numpy(block.strengths)) for block in blocks]
    drawn = module(vectors[torch.from_numpy(nodes)], messages, [block.targets for block in blocks])
    everywhere = module.everywhere(vectors, graph)
    assert torch.allclose(everywhere[torch.from_numpy(seeds)], drawn, atol=1e-5)
    assert not torch.allclose(everywhere, vectors, atol=1e-2)


def test_pieces_cover_every_node_once_even_where_one_has_more_edges_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "EDGES_AT_ONCE", 3)
    graph = a_graph()
    pieces = propagation._pieces(graph)
    assert [start for start, _ in pieces[1:]] == [stop for _, stop in pieces[:-1]]
    assert (pieces[0][0], pieces[-1][1]) == (0, graph.nodes)


def test_light_propagation_is_the_mean_of_the_powers_of_the_normalised_graph() -> None:
    graph = a_graph()
    adjacency = graph.normalised()
    vectors = torch.randn(graph.nodes, 8)
    dense = torch.from_numpy(adjacency.toarray())
    expected = (vectors + dense @ vectors + dense @ dense @ vectors) / 3
    assert torch.allclose(LightPropagation(2)(vectors, torch_csr(adjacency)), expected, atol=1e-5)


def test_the_gradient_of_light_propagation_is_right() -> None:
    graph = a_graph()
    sparse, dense = torch_csr(graph.normalised()), torch.from_numpy(graph.normalised().toarray())
    start = torch.randn(graph.nodes, 4)
    weights = torch.randn(graph.nodes, 4)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    (LightPropagation(1)(ours, sparse) * weights).sum().backward()
    ((theirs + dense @ theirs) / 2 * weights).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)

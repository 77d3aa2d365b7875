"""Neighbours drawn from compressed rows."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from vitrina.families.graph_recommender.graph import Graph, build_graph
from vitrina.families.graph_recommender.sampling import draw, sample, whole


def a_graph(seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    choices = sparse.random(40, 30, 0.2, format="csr", dtype=np.float32, random_state=rng)
    described = sparse.random(30, 5, 0.3, format="csr", dtype=np.float32, random_state=rng)
    return build_graph(choices, described)


def neighbours(graph: Graph, node: int) -> set[int]:
    return set(graph.neighbours[graph.offsets[node] : graph.offsets[node + 1]].tolist())


def test_every_drawn_edge_is_one_of_the_graph_and_seeds_come_first() -> None:
    graph, seeds = a_graph(), np.array([41, 3, 55])
    nodes, blocks = sample(graph, seeds, (3, 2), np.random.default_rng(1))
    assert nodes[:3].tolist() == seeds.tolist()
    assert len(set(nodes.tolist())) == len(nodes)
    assert blocks[-1].targets == 3
    assert blocks[0].targets == len(np.union1d(seeds, nodes[blocks[1].edges[0]]))
    for block in blocks:
        assert block.edges[1].max() < block.targets
        for source, target in block.edges.T:
            assert int(nodes[source]) in neighbours(graph, int(nodes[target]))


def test_a_node_gives_all_its_neighbours_where_it_has_no_more_than_asked() -> None:
    graph = a_graph()
    nodes = np.arange(graph.nodes)
    edges = draw(graph, nodes, 1000, np.random.default_rng(1))
    assert np.array_equal(edges[1], np.arange(len(graph.neighbours)))
    few = draw(graph, nodes, 2, np.random.default_rng(1))
    assert np.array_equal(np.bincount(few[0], minlength=graph.nodes), np.minimum(graph.degrees, 2))


def test_every_neighbour_of_a_popular_node_has_its_turn() -> None:
    graph = a_graph()
    node = int(graph.degrees.argmax())
    rng = np.random.default_rng(1)
    seen = {int(graph.neighbours[edge]) for _ in range(200) for edge in draw(graph, np.array([node]), 2, rng)[1]}
    assert seen == neighbours(graph, node)


def test_whole_blocks_together_are_the_graph() -> None:
    graph = a_graph()
    parts = [whole(graph, start, min(start + 7, graph.nodes)) for start in range(0, graph.nodes, 7)]
    assert sum(part.edges.shape[1] for part in parts) == len(graph.neighbours)
    assert np.array_equal(np.concatenate([part.edges[0] for part in parts]), graph.neighbours)
    assert np.array_equal(parts[1].edges[1] + 7, np.repeat(np.arange(7, 14), graph.degrees[7:14]))

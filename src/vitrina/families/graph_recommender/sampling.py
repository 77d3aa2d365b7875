"""Neighbour sampling on compressed rows (GraphSAGE, Hamilton et al., 2017); NumPy only, as pyg-lib is not on PyPI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.families.graph_recommender.graph import Graph


@dataclass(frozen=True)
class Block:
    """The messages of one layer, from `sources` nodes to the first `targets` of them.

    Attributes:
        edges: (2, edges) int64: place of the source, place of the target.
        strengths: (edges,) float32.
        targets: how many of the nodes receive.
    """

    edges: np.ndarray
    strengths: np.ndarray
    targets: int


def sample(
    graph: Graph, seeds: np.ndarray, fanout: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, list[Block]]:
    """The nodes and edges from which the vectors of `seeds` (distinct) are computed.

    Args:
        fanout: neighbours drawn of a node in each layer, from the seeds outwards; one with fewer gives all it has.

    Returns:
        The nodes whose first vectors are needed, the seeds first, and one block a layer in the order of computation.
    """
    places = np.full(graph.nodes, -1, dtype=np.int64)
    nodes = np.asarray(seeds, dtype=np.int64)
    places[nodes] = np.arange(len(nodes))
    blocks = []
    for count in fanout:
        receiving, edges = len(nodes), draw(graph, nodes, count, rng)
        found = graph.neighbours[edges[1]]
        new = np.unique(found[places[found] < 0])
        places[new] = receiving + np.arange(len(new))
        nodes = np.concatenate([nodes, new])
        blocks.append(Block(np.stack([places[found], edges[0]]), graph.strengths[edges[1]], receiving))
    return nodes, blocks[::-1]


def draw(graph: Graph, nodes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(2, drawn): at most `count` edges of each node: the place in `nodes`, and the number of the edge.

    A node with more than `count` has them drawn with replacement: a repeat is rare and weighs twice.
    """
    degrees = graph.degrees[nodes]
    taken = np.minimum(degrees, count)
    owner = np.repeat(np.arange(len(nodes)), taken)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(taken) - taken, taken)
    many = degrees[owner] > count
    within[many] = (rng.random(int(many.sum())) * degrees[owner[many]]).astype(np.int64)
    return np.stack([owner, graph.offsets[nodes[owner]] + within])


def whole(graph: Graph, start: int, stop: int) -> Block:
    """All messages to the nodes from `start` to `stop`; sources are node numbers, targets are counted from `start`."""
    edges = slice(int(graph.offsets[start]), int(graph.offsets[stop]))
    owner = np.repeat(np.arange(stop - start), graph.degrees[start:stop])
    sources = graph.neighbours[edges].astype(np.int64)
    return Block(np.stack([sources, owner]), graph.strengths[edges], stop - start)

"""How node vectors travel along the graph: attention over neighbours, or LightGCN's plain mean."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from scipy import sparse
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv

from vitrina.families.graph_recommender.graph import Graph
from vitrina.families.graph_recommender.sampling import whole

EDGES_AT_ONCE = 400_000
FIRST_GAIN = 0.1
SMALLEST_VARIANCE = 1e-2
"""Added before a vector is normalised: one that is almost zero has no say, and no exploding gradient."""

Messages = tuple[Tensor, Tensor]
"""edge_index (2, edges) and strengths (edges,) of one layer."""


class AttentionLayer(nn.Module):
    r"""$x'_i = x_i + g \odot \big\Vert_h \sum_j \alpha^h_{ij} W^h \hat{x}_j$ with dynamic attention $\alpha$ (GATv2).

    $\hat{x}$ is layer-normalised, $g$ a gain a channel that starts small, so that a deep stack starts near the identity
    and keeps the vectors it was given. (sources, width), (targets, width) → (targets, width).

    Brody, Alon and Yahav, 2022, "How attentive are graph attention networks?"
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=SMALLEST_VARIANCE)
        self.attention = GATv2Conv(width, width // heads, heads, edge_dim=1, add_self_loops=False, dropout=dropout)
        self.gain = nn.Parameter(torch.full((width,), FIRST_GAIN))

    def forward(self, sources: Tensor, targets: Tensor, messages: Messages) -> Tensor:
        edges, strengths = messages
        hats = self.norm(sources), self.norm(targets)
        return targets + self.gain * self.attention(hats, edges, strengths.log1p().unsqueeze(1))


class AttentionPropagation(nn.Module):
    """Layers of attention; trained on drawn neighbours, run on all of them for the final vectors."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AttentionLayer(width, heads, dropout) for _ in range(layers))

    def forward(self, vectors: Tensor, blocks: Sequence[Messages], sizes: Sequence[int]) -> Tensor:
        """(nodes of the first block, width) → (seeds, width); `sizes`: nodes that receive in each layer."""
        for layer, messages, size in zip(self.layers, blocks, sizes, strict=True):
            vectors = layer(vectors, vectors[:size], messages)
        return vectors

    @torch.inference_mode()
    def everywhere(self, vectors: Tensor, graph: Graph) -> Tensor:
        """The final vectors of all nodes over all their neighbours; a few hundred thousand edges at a time."""
        for layer in self.layers:
            parts = []
            for start, stop in _pieces(graph):
                block = whole(graph, start, stop)
                edges, strengths = torch.from_numpy(block.edges), torch.from_numpy(block.strengths)
                used, places = edges[0].unique(return_inverse=True)
                messages = (torch.stack([places, edges[1]]).to(vectors.device), strengths.to(vectors.device))
                parts.append(layer(vectors[used], vectors[start:stop], messages))
            vectors = torch.cat(parts)
        return vectors


def _pieces(graph: Graph) -> list[tuple[int, int]]:
    """Runs of nodes that have about `EDGES_AT_ONCE` edges together; one node is never parted."""
    ends, start, pieces = graph.offsets, 0, []
    while start < graph.nodes:
        stop = int(ends.searchsorted(ends[start] + EDGES_AT_ONCE, side="right")) - 1
        stop = min(max(stop, start + 1), graph.nodes)
        pieces.append((start, stop))
        start = stop
    return pieces


class LightPropagation(nn.Module):
    r"""$\frac{1}{L + 1} \sum_{l = 0}^{L} \hat{A}^l x$, $\hat{A} = D^{-1/2} A D^{-1/2}$; nothing to learn but $x$.

    (nodes, width) → (nodes, width). He et al., 2020, "LightGCN".
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, vectors: Tensor, adjacency: Tensor) -> Tensor:
        total = vectors
        for _ in range(self.layers):
            vectors = _Symmetric.apply(adjacency, vectors)
            total = total + vectors
        return total / (self.layers + 1)


class _Symmetric(torch.autograd.Function):
    """A symmetric sparse matrix times a dense one: its gradient needs no transpose (four times faster on a CPU)."""

    @staticmethod
    def forward(context: Any, adjacency: Tensor, vectors: Tensor) -> Tensor:
        context.adjacency = adjacency
        return adjacency @ vectors

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, context.adjacency @ gradients[0].contiguous()


def torch_csr(matrix: sparse.csr_matrix) -> Tensor:
    """The same matrix as a torch tensor in compressed rows."""
    offsets, columns = torch.from_numpy(matrix.indptr).long(), torch.from_numpy(matrix.indices).long()
    values = torch.from_numpy(matrix.data)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(offsets, columns, values, matrix.shape, check_invariants=False)

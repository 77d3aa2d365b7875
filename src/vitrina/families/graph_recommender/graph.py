"""The graph of users, products and attributes as compressed rows; NumPy and SciPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

LARGEST_STRENGTH = 8.0


@dataclass(frozen=True)
class Graph:
    """Nodes are numbered users first, then products, then attributes; every edge stands in both directions.

    Attributes:
        users, products, attributes: how many there are of each.
        offsets: (nodes + 1,) int64; the neighbours of node n are `neighbours[offsets[n]:offsets[n + 1]]`.
        neighbours: (edges,) int32, ascending within a node.
        strengths: (edges,) float32, above 0, at most `LARGEST_STRENGTH`.
    """

    users: int
    products: int
    attributes: int
    offsets: np.ndarray
    neighbours: np.ndarray
    strengths: np.ndarray

    @property
    def nodes(self) -> int:
        return self.users + self.products + self.attributes

    @property
    def degrees(self) -> np.ndarray:
        """(nodes,) int64: neighbours of each node."""
        return np.diff(self.offsets)

    @property
    def product_nodes(self) -> np.ndarray:
        """The node numbers of the products, in their order."""
        return np.arange(self.users, self.users + self.products)

    def normalised(self) -> sparse.csr_matrix:
        r"""(nodes, nodes) float32: $D^{-1/2} A D^{-1/2}$ of the unweighted graph (Kipf and Welling, 2017)."""
        ones = np.ones(len(self.neighbours), dtype=np.float32)
        adjacency = sparse.csr_matrix((ones, self.neighbours, self.offsets), shape=(self.nodes, self.nodes))
        root = sparse.diags((1 / np.sqrt(np.maximum(self.degrees, 1))).astype(np.float32))
        return (root @ adjacency @ root).tocsr()


def build_graph(
    strengths: sparse.csr_matrix, described: sparse.csr_matrix, links: sparse.csr_matrix | None = None
) -> Graph:
    """Join the kinds of edges into one graph.

    Args:
        strengths: (users, products), how strongly a user chose a product, above 0.
        described: (products, attributes), 1 where a product has an attribute.
        links: (products, products) between products; either direction counts for both.
    """
    users, products = strengths.shape
    chosen = strengths.copy()
    chosen.data = np.minimum(chosen.data, LARGEST_STRENGTH)
    between = None if links is None else links.maximum(links.T)
    upper = [[None, chosen, None], [chosen.T, between, described], [None, described.T, None]]
    if not described.shape[1]:
        upper = [row[:2] for row in upper[:2]]
    joined = sparse.bmat(upper, format="csr", dtype=np.float32)
    joined.sort_indices()
    return Graph(
        users,
        products,
        described.shape[1],
        joined.indptr.astype(np.int64),
        joined.indices.astype(np.int32),
        joined.data,
    )


def similar_products(matrix: sparse.csr_matrix, count: int, rows: int = 2000) -> sparse.csr_matrix:
    r"""(products, products): of each product the `count` most similar, $D_p^{-1/2} R^\top D_u^{-1} R D_p^{-1/2}$.

    Args:
        matrix: (users, products), 1 where a user chose a product.
        rows: products computed together; bounds the memory.
    """
    normal = normalised_choices(matrix)
    towards, kept = normal.T.tocsr(), []
    for start in range(0, matrix.shape[1], rows):
        part = (towards[start : start + rows] @ normal).tocsr()
        kept.append(_strongest(part, count, start))
    return sparse.vstack(kept, format="csr")


def normalised_choices(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    r"""$D_u^{-1/2} R D_p^{-1/2}$, (users, products) float32: the graph that GF-CF filters (Shen et al., 2021)."""
    by_user, by_product = (1 / np.sqrt(np.maximum(np.asarray(matrix.sum(axis)).ravel(), 1)) for axis in (1, 0))
    return (sparse.diags(by_user) @ matrix @ sparse.diags(by_product)).tocsr().astype(np.float32)


def _strongest(rows: sparse.csr_matrix, count: int, first: int) -> sparse.csr_matrix:
    """Each row with only its `count` largest entries above 0; itself, `first` columns further, is none of them."""
    owner = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    rows.data[rows.indices == owner + first] = 0
    rows.eliminate_zeros()
    owner = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, -rows.data, owner))  # equal ones in product order
    place = np.arange(len(order)) - rows.indptr[owner[order]]
    chosen = order[place < count]
    return sparse.csr_matrix((rows.data[chosen], (owner[chosen], rows.indices[chosen])), shape=rows.shape)

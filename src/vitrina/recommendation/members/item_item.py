"""Members that are a sparse matrix from product to product: what they share, whatever fills the matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from vitrina.recommendation.histories import History
from vitrina.recommendation.members import store
from vitrina.recommendation.members.query import Query

BLOCK = 2048
"""Rows made at once: bounds the memory of a matrix before it is cut to its neighbours."""


@dataclass(frozen=True)
class ItemItem:
    """scores = query(history) · matrix.

    Attributes:
        name: the member that filled the matrix.
        matrix: (products, products) float32; row i says what follows from having product i.
        query: how much each product of a history counts.
    """

    name: str
    matrix: sparse.csr_matrix
    query: Query

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32; zeros for an empty history."""
        return np.asarray(self.sparse(batch).toarray(), dtype=np.float32)

    def sparse(self, batch: Sequence[History]) -> sparse.csr_matrix:
        """The same scores: a history leads to few products."""
        return self.query.matrix(batch, self.matrix.shape[0]) @ self.matrix

    def save(self, folder: Path) -> None:
        """See `store.write`."""
        store.write(folder, self.name, {"query": asdict(self.query)}, store.sparse_arrays(self.matrix))

    @classmethod
    def load(cls, folder: Path) -> ItemItem:
        """See `store.read`."""
        numbers, arrays = store.read(folder)
        return cls(numbers["member"], store.sparse_matrix(arrays), Query(**numbers["query"]))


def nearest(matrix: sparse.csr_matrix, neighbours: int) -> sparse.csr_matrix:
    """The `neighbours` largest absolute values of every row."""
    matrix = matrix.tocsr()
    sizes = np.diff(matrix.indptr)
    kept = np.ones(matrix.nnz, dtype=bool)
    for row in np.flatnonzero(sizes > neighbours):
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        smallest = np.argpartition(np.abs(matrix.data[start:end]), sizes[row] - neighbours)[: sizes[row] - neighbours]
        kept[start + smallest] = False
    if kept.all():
        return matrix
    indptr = np.concatenate([[0], np.cumsum(np.minimum(sizes, neighbours))])
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def nearest_of_dense(matrix: np.ndarray, neighbours: int) -> sparse.csr_matrix:
    """As `nearest`, of a dense matrix; the diagonal is left out."""
    count = len(matrix)
    kept = min(neighbours, count - 1)
    indices = np.empty((count, kept), dtype=np.int32)
    for start in range(0, count, BLOCK):
        size = np.abs(matrix[start : start + BLOCK])
        size[np.arange(len(size)), np.arange(start, start + len(size))] = -1
        indices[start : start + BLOCK] = np.argpartition(size, count - kept - 1, axis=1)[:, count - kept :]
    data = np.take_along_axis(matrix, indices.astype(np.int64), axis=1)
    indptr = np.arange(count + 1) * kept
    found = sparse.csr_matrix((data.ravel(), indices.ravel(), indptr), shape=matrix.shape)
    found.sort_indices()
    return found


def by_blocks(
    rows: int, block: Callable[[int, int], sparse.csr_matrix], neighbours: int, size: int = BLOCK
) -> sparse.csr_matrix:
    """Stack `block(start, end)` of all rows, each cut to its nearest; itself (the diagonal) is left out."""
    parts = []
    for start in range(0, rows, size):
        part = block(start, min(start + size, rows)).tocoo()
        other = part.row + start != part.col
        shape = (part.shape[0], part.shape[1])
        alone = sparse.csr_matrix((part.data[other], (part.row[other], part.col[other])), shape=shape)
        alone.eliminate_zeros()
        parts.append(nearest(alone, neighbours))
    return sparse.vstack(parts, format="csr", dtype=np.float32)


def power(values: np.ndarray, exponent: float) -> sparse.dia_matrix:
    """The diagonal matrix of values^exponent, 0 where the value is 0."""
    positive = values > 0
    result = np.zeros(len(values), dtype=np.float32)
    result[positive] = values[positive] ** exponent
    return sparse.diags(result, dtype=np.float32)

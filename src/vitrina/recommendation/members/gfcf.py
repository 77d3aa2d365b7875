r"""GF-CF (Shen et al., 2021): two graph filters in place of a trained graph network.

With $\tilde R = D_u^{-a} R D_p^{-b}$, users by products, a history r is scored by the linear filter
$r \tilde R^\top \tilde R$ and, times `weight`, by the ideal low-pass filter $r D_p^{-b} V V^\top D_p^{c}$ over the
first right singular vectors V of $\tilde R$. Published with a = b = c = 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members import store
from vitrina.recommendation.members.item_item import by_blocks, power
from vitrina.recommendation.members.query import Query


@dataclass(frozen=True)
class Options:
    """Of `fit`.

    Attributes:
        factors: singular vectors; fewer where there are fewer users or products.
        weight: of the low-pass filter beside the linear one.
        user_power, product_power, candidate_power: a, b and c of the formula.
        linear: how much the linear filter counts; 0 leaves the low-pass filter alone, and the folder small.
        spectrum: the power of a vector's singular value that it counts with; 0 is the ideal filter, all alike.
        neighbours: of the linear filter, kept for each product.
        recency, strength: see `query.Query`.
    """

    factors: int = 256
    weight: float = 0.3
    user_power: float = 0.5
    product_power: float = 0.5
    candidate_power: float = 0.5
    linear: float = 1.0
    spectrum: float = 0.0
    neighbours: int = 1000
    recency: float = 0.0
    strength: float = 0.0


@dataclass(frozen=True)
class Gfcf:
    """scores = q · matrix + (q · into) · out, q the query.

    Attributes:
        matrix: (products, products) the linear filter.
        into: (products, factors) float32, `out`: (factors, products) float32: the low-pass filter.
    """

    matrix: sparse.csr_matrix
    into: np.ndarray
    out: np.ndarray
    query: Query

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32; zeros for an empty history."""
        rows = self.query.matrix(batch, len(self.into))
        found = (rows @ self.into) @ self.out
        if self.matrix.nnz:
            found += (rows @ self.matrix).toarray()
        return np.asarray(found, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """See `store.write`."""
        arrays = {"into": self.into, "out": self.out, **store.sparse_arrays(self.matrix)}
        store.write(folder, "gfcf", {"query": asdict(self.query)}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Gfcf:
        """See `store.read`."""
        numbers, arrays = store.read(folder)
        return cls(store.sparse_matrix(arrays), arrays["into"], arrays["out"], Query(**numbers["query"]))


load = Gfcf.load


def fit(histories: Histories, options: Options | None = None) -> Gfcf:
    """Normalise, take the first singular vectors, count the linear filter block by block."""
    options = options or Options()
    seen = histories.matrix()
    degrees = np.asarray(seen.sum(0)).ravel()
    users = power(np.asarray(seen.sum(1)).ravel(), -options.user_power)
    normal = (users @ seen @ power(degrees, -options.product_power)).tocsr()
    values, vectors = singular_vectors(normal, options.factors)
    out = options.weight * (power(degrees, options.candidate_power) @ (vectors * values**options.spectrum)).T
    into = power(degrees, -options.product_power) @ vectors
    matrix = sparse.csr_matrix((len(degrees), len(degrees)), dtype=np.float32)
    if options.linear:
        left = (options.linear * normal.T).tocsr()
        matrix = by_blocks(len(degrees), lambda start, end: left[start:end] @ normal, options.neighbours)
    query = Query(options.recency, 0, options.strength)
    return Gfcf(matrix, np.ascontiguousarray(into, np.float32), np.ascontiguousarray(out, np.float32), query)


def singular_vectors(matrix: sparse.csr_matrix, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first singular values, (`count`,), and right singular vectors, (columns, `count`) (Halko et al., 2011)."""
    from sklearn.utils.extmath import randomized_svd

    count = min(count, min(matrix.shape) - 1)
    if count < 1:
        return np.zeros(0, dtype=np.float32), np.zeros((matrix.shape[1], 0), dtype=np.float32)
    _, values, vectors = randomized_svd(matrix, count, n_iter=4, random_state=0)
    return values.astype(np.float32), np.asarray(vectors.T, dtype=np.float32)

"""The weighted sum of all sources over all products, in one matrix product and a few sparse additions.

Each source's scores of a row count in units of their standard deviation over all products. A source is dense factors
(what it knows of a user times what it knows of the products), a sparse row, or both; the deviation of dense ones
follows from the covariance of their product factors, so that their scores need not be written out one by one.
What is the same for all products of a row changes no ranking and is left out.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from vitrina.families.hybrid_recommender.components import Content, Sparse
from vitrina.recommendation.histories import History
from vitrina.recommendation.members import Member
from vitrina.recommendation.members.gfcf import Gfcf
from vitrina.recommendation.members.popularity import Popularity

TIE = 1e-3
"""What the percentile of its popularity adds to a product: it decides where nothing else does."""


@dataclass(frozen=True)
class Scored:
    """What one source says of a batch: `dense` (rows, d) times its factors, plus `sparse` (rows, products)."""

    dense: np.ndarray | None = None
    sparse: sparse.csr_matrix | None = None


def scored(member: Member, batch: Sequence[History]) -> Scored:
    """What a closed-form member says."""
    if isinstance(member, Sparse):
        return Scored(sparse=member.sparse(batch))
    if isinstance(member, Popularity):
        return Scored(np.ones((len(batch), 1), dtype=np.float32))
    if isinstance(member, Content):
        return Scored(member.means(batch))
    if isinstance(member, Gfcf):
        rows = member.query.matrix(batch, len(member.into))
        return Scored(np.asarray(rows @ member.into), rows @ member.matrix if member.matrix.nnz else None)
    raise TypeError(f"{type(member).__name__} is neither sparse nor of factors")


def factors_of(member: Member) -> np.ndarray | None:
    """(d, products) float32 of a member that has dense scores."""
    if isinstance(member, Popularity):
        return member.values[None]
    if isinstance(member, Content):
        return member.vectors.T
    return member.out if isinstance(member, Gfcf) else None


@dataclass(frozen=True)
class _Block:
    """Where a source's factors lie in the table of all, with their mean (d,) and covariance (d, d)."""

    rows: slice
    mean: np.ndarray
    covariance: np.ndarray


class Mixer:
    """Made once for a model's sources; thread-safe."""

    def __init__(self, factors: Mapping[str, np.ndarray], ties: np.ndarray) -> None:
        """`factors`: name → (d, products) of the sources that have dense scores; `ties`: (products,) 0–1."""
        self.products = len(ties)
        self._blocks: dict[str, _Block] = {}
        self._copies: dict[str, np.ndarray] = {}
        self._local = threading.local()
        start = 1
        for name, own in factors.items():
            mean = own.mean(1, dtype=np.float64)
            gram = (own @ own.T).astype(np.float64) / self.products
            self._blocks[name] = _Block(slice(start, start + len(own)), mean, gram - np.outer(mean, mean))
            start += len(own)
        # Products in rows of their own: the matrix product reads along them.
        self._table = np.empty((start, self.products), dtype=np.float32)
        self._table[0] = TIE * ties
        for name, own in factors.items():
            self._table[self._blocks[name].rows] = own

    def _space(self, rows: int) -> np.ndarray:
        """(rows, products) of this thread's own: fresh memory would cost as much as the product."""
        space: np.ndarray | None = getattr(self._local, "space", None)
        if space is None or len(space) < rows:
            self._local.space = space = np.empty((rows, self.products), dtype=np.float32)
        return space[:rows]

    def mix(self, sources: Mapping[str, Scored], weights: Mapping[str, float], rows: int) -> Mixed:
        """The sum of the sources, each times its weight (default: 0, it can still be asked for by `Mixed.at`).

        Its table is overwritten by this thread's next call.
        """
        coefficients = np.zeros((rows, len(self._table)), dtype=np.float32)
        coefficients[:, 0] = 1
        units = {name: self._unit(name, one) for name, one in sources.items()}
        for name, one in sources.items():
            if one.dense is not None and weights.get(name):
                factor = weights[name] / units[name][1]
                coefficients[:, self._blocks[name].rows] = one.dense * factor[:, None]
        table = np.matmul(coefficients, self._table, out=self._space(rows))
        for name, one in sources.items():
            if one.sparse is not None and weights.get(name):
                _scatter(table, one.sparse, weights[name] / units[name][1])
        return Mixed(table, sources, units, self)

    def _unit(self, name: str, one: Scored) -> tuple[np.ndarray, np.ndarray]:
        """(rows,) mean and deviation of a source's scores over all products; the deviation is 1 where all are equal."""
        rows = one.dense.shape[0] if one.dense is not None else one.sparse.shape[0]  # type: ignore[union-attr]
        mean, variance, largest = np.zeros(rows), np.zeros(rows), np.full(rows, 1e-30)
        if one.dense is not None:
            block, dense = self._blocks[name], one.dense.astype(np.float64)
            mean = dense @ block.mean
            variance = np.einsum("ij,jk,ik->i", dense, block.covariance, dense)
            largest = variance + mean**2
        if one.sparse is not None:
            totals, squares = _moments(one.sparse, self.products)
            both = self._product(name, one) / self.products - mean * totals if one.dense is not None else 0.0
            variance = variance + squares - totals**2 + 2 * both
            mean, largest = mean + totals, largest + squares
        good = variance > 1e-9 * largest
        return mean, np.where(good, np.sqrt(np.where(good, variance, 1.0)), 1.0)

    def _product(self, name: str, one: Scored) -> np.ndarray:
        """(rows,) sum over products of dense times sparse score."""
        assert one.dense is not None
        assert one.sparse is not None
        reached = one.sparse @ self._upright(name)
        return np.einsum("ij,ij->i", np.asarray(reached, dtype=np.float64), one.dense)

    def dense_at(self, name: str, one: Scored, places: np.ndarray) -> np.ndarray:
        """(rows, C) dense scores at (rows, C) places."""
        assert one.dense is not None
        own = self._upright(name)
        return np.stack([own[where] @ each for each, where in zip(one.dense, places, strict=True)])

    def _upright(self, name: str) -> np.ndarray:
        """(products, d): the factors of a source, a product's side by side, for those that are asked one by one."""
        if name not in self._copies:
            self._copies[name] = np.ascontiguousarray(self._table[self._blocks[name].rows].T)
        return self._copies[name]


@dataclass(frozen=True)
class Mixed:
    """`table`: (rows, products) float32, the weighted sum; the sources are kept for a second look."""

    table: np.ndarray
    sources: Mapping[str, Scored]
    units: Mapping[str, tuple[np.ndarray, np.ndarray]]
    mixer: Mixer

    def at(self, name: str, places: np.ndarray) -> np.ndarray:
        """(rows, C) float32: standardised scores of one source at (rows, C) places."""
        one, (mean, deviation) = self.sources[name], self.units[name]
        found = np.zeros(places.shape, dtype=np.float32)
        if one.dense is not None:
            found += self.mixer.dense_at(name, one, places)
        if one.sparse is not None:
            scratch = np.zeros(self.mixer.products, dtype=np.float32)
            for row, where in enumerate(places):
                part = slice(one.sparse.indptr[row], one.sparse.indptr[row + 1])
                scratch[one.sparse.indices[part]] = one.sparse.data[part]
                found[row] += scratch[where]
                scratch[one.sparse.indices[part]] = 0
        return ((found - np.reshape(mean, (-1, 1))) / deviation[:, None]).astype(np.float32)


def _moments(scores: sparse.csr_matrix, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) mean and mean square of sparse rows over `count` products."""
    parts = np.split(scores.data, scores.indptr[1:-1])
    totals = np.array([part.sum(dtype=np.float64) for part in parts]) / count
    return totals, np.array([float(part @ part) for part in parts]) / count


def _scatter(table: np.ndarray, scores: sparse.csr_matrix, factors: np.ndarray) -> None:
    """Add each sparse row times its factor."""
    for row, factor in enumerate(factors.astype(np.float32)):
        part = slice(scores.indptr[row], scores.indptr[row + 1])
        table[row, scores.indices[part]] += scores.data[part] * factor

"""What a hybrid recommender is mixed from: the closed-form members, and what products are (the member `content`)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from vitrina.recommendation import members
from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members import Member, store
from vitrina.recommendation.members.popularity import Popularity
from vitrina.recommendation.members.query import Query

if TYPE_CHECKING:
    import pyarrow as pa

CONTENT = "content"
NEURAL = "neural"
CLOSED_FORM = (*members.ALL, CONTENT)
DEFAULT = (*members.NAMES, CONTENT)
BASELINES = members.NAMES
"""What every card compares with."""

FOLDER = "members"
TIE = 1e-3
"""What the percentile of its popularity adds to a product: it decides where nothing else does."""


@runtime_checkable
class Sparse(Protocol):
    """A member whose scores are nearly all zero."""

    def sparse(self, batch: Sequence[History]) -> sparse.csr_matrix:
        """(batch, products)."""


@dataclass(frozen=True)
class Products:
    """What members know of the products besides who had them.

    Attributes:
        content: (products, width) float32, length 1, see `content.content_vectors`.
        catalogue: the catalogue's rows, in the order of the item space.
    """

    content: np.ndarray
    catalogue: pa.Table


@dataclass(frozen=True)
class Content:
    """Products like those of the history, by what they are: also those that nobody had yet.

    Attributes:
        vectors: (products, width) float32, length 1, see `content.content_vectors`.
    """

    vectors: np.ndarray
    query: Query = Query(recency=0.5)  # noqa: RUF009 -- frozen

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32: cosines to the mean of the history; zeros for an empty one."""
        return self.means(batch) @ self.vectors.T

    def means(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, width): what each history is about, length 1; zeros for an empty one."""
        total = np.asarray(self.query.matrix(batch, len(self.vectors)) @ self.vectors, dtype=np.float32)
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)

    def save(self, folder: Path) -> None:
        """See `members.store.write`."""
        store.write(folder, CONTENT, {}, {"vectors": self.vectors})


def fit(
    names: Iterable[str], histories: Histories, products: Products, options: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Member], dict[str, float]]:
    """The named members, fitted, and the seconds that each took.

    Raises:
        UsageError: for an option that a member does not have.
    """
    fitted: dict[str, Member] = {}
    seconds: dict[str, float] = {}
    for name in names:
        began = time.perf_counter()
        if name == CONTENT:
            fitted[name] = Content(products.content)
        else:
            fitted[name] = members.fit(name, histories, options.get(name), products.catalogue)
        seconds[name] = time.perf_counter() - began
    return fitted, seconds


def load(folder: Path, names: Iterable[str]) -> dict[str, Member]:
    """The named members of a model folder.

    Raises:
        ArtifactError: when one is missing or damaged.
    """
    return {name: _load(folder / FOLDER / name) for name in names}


def _load(folder: Path) -> Member:
    if folder.name == CONTENT:
        return Content(store.read(folder)[1]["vectors"])
    return members.load(folder)


class Scores:
    """Scores of a batch added up source by source into one table, each source of a row in its own unit.

    A row's unit is the standard deviation of its scores over all products; what is the same for all products of a row
    changes no ranking and is left out.

    Attributes:
        table: (rows, products) float32.
    """

    def __init__(self, rows: int, ties: np.ndarray, *, keep: bool = False) -> None:
        """`ties`: (products,) what every row starts from; `keep`: `at` will be asked."""
        self.table = np.repeat(ties[None] * np.float32(TIE), rows, axis=0)
        self._keep = keep
        self._parts: dict[str, np.ndarray | sparse.csr_matrix] = {}

    def add(self, name: str, member: Member, batch: Sequence[History], weight: float) -> None:
        """Add `weight` times a member's scores; sparse ones touch only what they know."""
        if isinstance(member, Sparse):
            self._add_sparse(name, member.sparse(batch), weight)
        elif isinstance(member, Popularity) and not self._keep:
            values = member.values
            self.table += values * np.float32(weight / deviations(values[None])[0])
        else:
            self.add_dense(name, member.scores(batch), weight)

    def add_dense(self, name: str, scores: np.ndarray, weight: float) -> None:
        """Add `weight` times (rows, products) scores."""
        if self._keep:
            self._parts[name] = scores
        if weight:
            for row, factor in enumerate((weight / deviations(scores)).astype(np.float32)):
                self.table[row] += scores[row] * factor

    def _add_sparse(self, name: str, scores: sparse.csr_matrix, weight: float) -> None:
        if self._keep:
            self._parts[name] = scores
        for row in range(scores.shape[0]) if weight else ():
            part = slice(scores.indptr[row], scores.indptr[row + 1])
            values = scores.data[part]
            spread = _deviation(float(values.sum()), float(values @ values), scores.shape[1])
            self.table[row, scores.indices[part]] += values * np.float32(weight / spread)

    def at(self, name: str, places: np.ndarray) -> np.ndarray:
        """(rows, C) float32: the standardised scores of one source at (rows, C) places."""
        scores = self._parts[name]
        return standard_at(scores if isinstance(scores, np.ndarray) else scores.toarray(), places)


def deviations(scores: np.ndarray) -> np.ndarray:
    """(rows,) standard deviation of each row; 1 where all scores are equal."""
    sums = scores.sum(1, dtype=np.float64)
    squares = np.einsum("ij,ij->i", scores, scores)
    return np.array(
        [_deviation(float(total), float(square), scores.shape[1]) for total, square in zip(sums, squares, strict=True)]
    )


def _deviation(total: float, squares: float, count: int) -> float:
    variance = squares / count - (total / count) ** 2
    return float(np.sqrt(variance)) if variance > 1e-12 * max(squares / count, 1e-30) else 1.0


def standard_at(scores: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(rows, C) float32: what stands at (rows, C) places of (rows, products) scores, standardised over a row."""
    spread = deviations(scores)[:, None]
    return ((np.take_along_axis(scores, places, 1) - scores.mean(1, keepdims=True)) / spread).astype(np.float32)

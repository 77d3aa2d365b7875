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


def deviations(scores: np.ndarray) -> np.ndarray:
    """(rows,) standard deviation of each row; 1 where all scores are equal."""
    found = scores.std(1)
    return np.where(found > 1e-9, found, 1.0)


def standard_at(scores: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(rows, C) float32: what stands at (rows, C) places of (rows, products) scores, standardised over a row."""
    centred = np.take_along_axis(scores, places, 1) - scores.mean(1, keepdims=True)
    return (centred / deviations(scores)[:, None]).astype(np.float32)

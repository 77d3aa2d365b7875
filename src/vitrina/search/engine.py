"""What every search engine takes and gives: entries to index, filters, hits, and the `Index` interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from vitrina.errors import ArtifactError, DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Mode = Literal["vector", "lexical", "hybrid"]
MODES: tuple[str, ...] = get_args(Mode)
KEPT = ("product_id", "title", "category", "price", "currency", "language")
"""The catalogue's columns that an index keeps: for its answers and its filters."""

Progress = Callable[[str, int], None]
"""Told what is being done, and how many rows are done."""


@dataclass(frozen=True)
class Filters:
    """What a product must be to be found; None asks nothing. A product that does not state a value fails its filter.

    Attributes:
        category: a category path; its products and those below it pass, in any case.
        min_price, max_price: both ends included, in the product's currency; where there are several, give `currency`.
        language: `es` lets `es` and `es-MX` pass.
    """

    category: str | None = None
    min_price: float | None = None
    max_price: float | None = None
    currency: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        low, high = self.min_price, self.max_price
        if any(end is not None and end != end for end in (low, high)):
            raise UsageError("A price limit must be a number.")
        if low is not None and high is not None and low > high:
            raise UsageError(f"The price range is empty: {low:g} is more than {high:g}.")

    def __bool__(self) -> bool:
        return self != Filters()


@dataclass(frozen=True)
class Entries:
    """Products to index, one a row.

    Attributes:
        rows: an Arrow table with the columns `KEPT`.
        vectors: (rows, dimension); need not be normalised.
        texts: what lexical search reads of each product.
    """

    rows: pa.Table
    vectors: np.ndarray
    texts: Sequence[str]


@dataclass(frozen=True)
class Hit:
    """One product found; a higher score is better, comparable within one answer only."""

    product_id: str
    score: float
    title: str
    category: str | None
    price: float | None
    currency: str | None
    language: str | None


@dataclass(frozen=True)
class Origin:
    """The model whose vectors an index holds, and their dimension."""

    model: str
    version: str
    dimension: int


@dataclass(frozen=True)
class Facts:
    """What an index says of itself; `generation` changes with every write."""

    engine: str
    model: str
    version: str
    dimension: int
    rows: int
    generation: int


@dataclass(frozen=True)
class Change:
    """What a write did. `unknown`: ids to remove that were not there."""

    added: int = 0
    replaced: int = 0
    removed: int = 0
    unknown: tuple[str, ...] = ()


class Index(Protocol):
    """An index that is open. Searching is safe from several threads; each search sees one state of the index."""

    @property
    def facts(self) -> Facts:
        """What the opened state says of itself."""

    def search(
        self,
        text: str | None = None,
        vector: np.ndarray | None = None,
        *,
        k: int = 10,
        filters: Filters | None = None,
        mode: Mode | None = None,
    ) -> list[Hit]:
        """The best `k` products, best first; fewer where fewer pass the filters.

        Args:
            text: the query, for `lexical` and `hybrid`.
            vector: (dimension,) the query's embedding, for `vector` and `hybrid`.
            mode: default: what `text` and `vector` allow.

        Raises:
            UsageError: a query that does not fit the mode or the index.
        """

    def add(self, entries: Iterable[Entries], progress: Progress | None = None) -> Change:
        """Add products, or replace those whose id is there. All or nothing; this index then shows the new state.

        Raises:
            DataError: an id given twice, a vector that is not finite or of another dimension.
            ServiceError: another process is writing.
        """

    def remove(self, ids: Iterable[str]) -> Change:
        """Remove products by id; unknown ids are reported, not refused."""

    def is_current(self) -> bool:
        """Whether nobody has written since this state was opened."""

    def close(self) -> None:
        """Give up files and connections."""


def checked(entries: Entries, dimension: int, seen: set[str]) -> Entries:
    """The entries with L2-normalised float32 vectors; their ids join `seen`.

    Raises:
        DataError: names the first product at fault.
    """
    ids = entries.rows.column("product_id").to_pylist()
    vectors = np.ascontiguousarray(entries.vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise DataError(f"The index holds vectors of {dimension} numbers, these have shape {vectors.shape}.")
    if not len(ids) == len(vectors) == len(entries.texts):
        raise DataError(f"{len(ids)} products, {len(vectors)} vectors and {len(entries.texts)} texts do not match.")
    for product_id in ids:
        if not product_id:
            raise DataError("A product has no product_id.")
        if product_id in seen:
            raise DataError(f"product_id '{product_id}' is given twice.")
        seen.add(product_id)
    norms = np.linalg.norm(vectors, axis=1)
    if len(wrong := np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))):
        raise DataError(f"The vector of product '{ids[wrong[0]]}' is zero or not finite; {len(wrong)} such in all.")
    return Entries(entries.rows, vectors / norms[:, None], entries.texts)


def query_vector(vector: Any, dimension: int) -> np.ndarray:
    """The query's vector as normalised float32.

    Raises:
        UsageError: when it is of another dimension, zero or not finite.
    """
    query = np.asarray(vector, dtype=np.float32)
    if query.shape != (dimension,):
        raise UsageError(f"The query's vector has shape {query.shape}, the index holds vectors of {dimension} numbers.")
    norm = float(np.linalg.norm(query))
    if not np.isfinite(norm) or norm == 0:
        raise UsageError("The query's vector is zero or not finite.")
    return query / norm


def chosen_mode(mode: Mode | None, text: str | None, vector: np.ndarray | None, k: int) -> Mode:
    """The mode to search in.

    Raises:
        UsageError: when the query lacks what the mode needs.
    """
    if k < 1:
        raise UsageError(f"k must be at least 1, got {k}.")
    worded = bool(text and text.strip())
    if mode is None:
        mode = "hybrid" if worded and vector is not None else "vector" if vector is not None else "lexical"
    if mode not in MODES:
        raise UsageError(f"There is no search mode '{mode}'. Known: {', '.join(MODES)}.")
    if mode != "vector" and not worded:
        raise UsageError(f"A {mode} search needs a query text.")
    if mode != "lexical" and vector is None:
        raise UsageError(f"A {mode} search needs the query's vector.")
    return mode


def check_version(facts: Facts, version: str | None, where: str) -> None:
    """Refuse an index of another model version; None asks nothing.

    Raises:
        ArtifactError: names both versions.
    """
    if version is not None and version != facts.version:
        raise ArtifactError(
            f"Index {where} was built by {facts.model} version {facts.version}, not by version {version}: "
            "build it again with `vitrina index build`."
        )

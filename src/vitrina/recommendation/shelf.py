"""The products of a model as the shop offers them now; what is asked of a recommender, and what it answers."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vitrina.errors import ArtifactError
from vitrina.recommendation.filters import Filters, ProductColumns
from vitrina.recommendation.histories import Histories, History

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

PRODUCTS = "products.parquet"
SHOWN = ("product_id", "title", "category", "brand", "price", "currency", "stock")
"""What is read of a catalogue."""


class Shelf:
    """Rows of a catalogue in the order of the item space.

    Attributes:
        columns: what filters ask.
        offered: (products,) bool; a product that was withdrawn since training is not.
        default_allowed: (products,) bool: what passes without filters; not to be written to.
        titles, categories, prices, currencies: a value or None for each product.
    """

    def __init__(self, products: pa.Table, offered: np.ndarray | None = None) -> None:
        self._ids = products["product_id"].combine_chunks()
        self.columns = ProductColumns(products)
        self.offered = np.ones(len(products), dtype=bool) if offered is None else offered
        self.titles, self.categories, self.prices, self.currencies = (
            products[name].to_pylist() if name in products.column_names else [None] * len(products)
            for name in ("title", "category", "price", "currency")
        )
        self.default_allowed = self._passing(Filters())

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def ids(self) -> list[str]:
        """Product ids."""
        return self.columns.ids

    @property
    def places(self) -> dict[str, int]:
        """Product id → place in the item space."""
        return self.columns.places

    def allowed(self, filters: Filters) -> np.ndarray:
        """(products,) bool: what is offered and passes. Not to be written to."""
        return self.default_allowed if filters == Filters() else self._passing(filters)

    def _passing(self, filters: Filters) -> np.ndarray:
        return self.columns.passing(filters) & self.offered

    def without(self, places: np.ndarray) -> Shelf:
        """The same products, some of them withdrawn."""
        changed = copy.copy(self)
        changed.offered = self.offered.copy()
        changed.offered[places] = False
        changed.default_allowed = changed._passing(Filters())
        return changed

    def aligned(self, catalogue: pa.Table) -> Shelf:
        """The same products with what `catalogue` says of them now; those it lacks are withdrawn.

        `catalogue` has the columns `SHOWN`, as far as they are known.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = self._ids.cast(pa.string())  # pyarrow imports pandas to make an array of a list, or NumPy's of bits
        rows = pc.index_in(ids, value_set=catalogue["product_id"].cast(pa.string()).combine_chunks())
        found = catalogue.take(rows)
        found = found.set_column(found.column_names.index("product_id"), "product_id", ids)
        return Shelf(found, np.array(rows.is_valid().to_pylist(), dtype=bool))


def read_products(path: Path) -> pa.Table:
    """The columns `SHOWN` of a Parquet file of products, as far as it has them.

    Raises:
        ArtifactError: when it cannot be read, has no product_id or names a product twice.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        products = file.read(columns=[name for name in SHOWN if name in file.schema_arrow.names])
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"{path} cannot be read as a table of products: {error}.") from error
    if "product_id" not in products.column_names:
        raise ArtifactError(f"{path} has no column product_id.")
    if pc.count_distinct(products["product_id"]).as_py() != len(products):
        raise ArtifactError(f"{path} names a product more than once.")
    return products


@dataclass(frozen=True)
class Asked:
    """One request to a recommender.

    Attributes:
        user: id; None: nobody in particular.
        history: all that is known of the user, this request's events included.
        k: how many products.
        filters: what a product must be.
        excluded: places that may not be shown to this user: what was bought, or all of the history.
        request: as it was sent, where a family asks more than this.
    """

    user: str | None
    history: History
    k: int = 10
    filters: Filters = field(default_factory=Filters)
    excluded: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    request: Any = None


@dataclass(frozen=True)
class Ranked:
    """What a recommender answers: places, best first, with their scores; `cold`: nothing was known of the user.

    `reasons`, where the family gives them, says why, one for each place. `extra` is what else the family measured of
    its list.
    """

    places: np.ndarray
    scores: np.ndarray
    cold: bool
    reasons: list[str] | None = None
    extra: Any = None


class Recommender(Protocol):
    """A recommender's model folder, loaded by its family's `serving.load`.

    Attributes:
        shelf: the products as they were when the model was trained.
        histories: of the users, as they were then.
        popularity: (products,) float32, the percentile of each product's popularity in training, 0–1.
    """

    shelf: Shelf
    histories: Histories
    popularity: np.ndarray

    def rank(self, asked: Sequence[Asked], shelf: Shelf) -> list[Ranked]:
        """The best products for each, out of those that `shelf` offers and the filters let pass."""

"""Products alike by what the catalogue says of them: for those that too few users had.

Category levels, brand and attributes as a bag of facts, weighted by how rare each is (TF-IDF), compared by cosine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from vitrina.contracts.catalogue import PATH_SEPARATOR, category_path
from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members.item_item import ItemItem, by_blocks, power
from vitrina.recommendation.members.query import Query

if TYPE_CHECKING:
    import pyarrow as pa

load = ItemItem.load
MOST_COMMON = 0.2
"""A fact of more than this share of the products tells nothing, and costs most."""


@dataclass(frozen=True)
class Options:
    """Of `fit`.

    Attributes:
        popularity: the power of log(1 + users) that a candidate's similarity is multiplied with: 0 is content alone.
        neighbours: kept for each product.
        recency, strength: see `query.Query`.
    """

    popularity: float = 0.5
    neighbours: int = 300
    recency: float = 1.0
    strength: float = 0.0


def fit(histories: Histories, options: Options, catalogue: pa.Table) -> ItemItem:
    """Compare all products block by block."""
    facts = product_facts(catalogue)
    known = np.log1p(np.asarray(histories.matrix().sum(0)).ravel())
    candidates = power(known + 1e-3, options.popularity) if options.popularity else power(np.ones(len(known)), 1.0)
    right = (facts.T @ candidates).tocsr()
    matrix = by_blocks(len(known), lambda start, end: facts[start:end] @ right, options.neighbours, size=512)
    return ItemItem("attribute_knn", matrix, Query(options.recency, 0, options.strength))


def product_facts(catalogue: pa.Table) -> sparse.csr_matrix:
    """(products, facts) float32, rows of length 1, or 0 where nothing is known; a fact of one product is left out."""
    codes: dict[str, int] = {}
    rows, columns = [], []
    for row, product in enumerate(catalogue.to_pylist()):
        for fact in set(_facts(product)):
            rows.append(row)
            columns.append(codes.setdefault(fact, len(codes)))
    shape = (len(catalogue), max(len(codes), 1))
    bag = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    held = np.asarray(bag.sum(0)).ravel()
    telling = (held > 1) & (held <= max(MOST_COMMON * len(catalogue), 2))
    weight = np.where(telling, np.log(len(catalogue) / np.maximum(held, 1)) + 1e-3, 0)
    bag = (bag @ sparse.diags(weight.astype(np.float32))).tocsr()
    lengths = np.sqrt(np.asarray(bag.multiply(bag).sum(1)).ravel())
    return (power(lengths, -1) @ bag).tocsr()


def _facts(product: dict[str, object]) -> Iterator[str]:
    if category := product.get("category"):
        levels = category_path(str(category)).split(PATH_SEPARATOR)
        yield from (f"category={PATH_SEPARATOR.join(levels[: depth + 1])}" for depth in range(len(levels)))
    if brand := product.get("brand"):
        yield f"brand={str(brand).strip().lower()}"
    attributes = product.get("attributes") or []
    if isinstance(attributes, list):
        yield from (f"{name}={value}".lower() for name, value in attributes)

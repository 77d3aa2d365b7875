"""Queries with known answers, made from held-out products: always the same ones for the same products."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product
from vitrina.families.layers.products import products_of
from vitrina.families.product_embedder.queries import AttributeQuery, attribute_query, damaged, facets

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 1000
"""Queries of each kind."""


@dataclass(frozen=True)
class Query:
    """A query and its answers among the products it was made from.

    Attributes:
        row_id: stable name.
        kind: `title` (damaged), `attributes`, or `match` (a product that another one is the same as).
        product: the query as the embedder reads it.
        source: the number of the product it was made from, which a `match` must not find.
        relevant: numbers of the products that answer it.
        unjudged: numbers of the products of which too little is known to say.
    """

    row_id: str
    kind: str
    product: Product
    source: int
    relevant: frozenset[int]
    unjudged: frozenset[int] = frozenset()


def evaluation_queries(examples: pd.DataFrame, limit: int = LIMIT) -> list[Query]:
    """Up to `limit` queries of each kind; rows that are not `queried` are only answers."""
    products = products_of(examples)
    ids = [str(value) for value in examples["product_id"]]
    queried = list(range(len(products)))
    if "queried" in examples:
        queried = [i for i, own in enumerate(examples["queried"]) if own]
    # By a hash of the id: the choice does not depend on the order of the rows.
    queried.sort(key=lambda i: (crc32(f"query {ids[i]}".encode()), ids[i]))
    found = _titles(products, ids, queried, limit) + _attributes(products, ids, queried, limit)
    return found + (_matches(products, ids, examples, limit) if "matches" in examples else [])


def _titles(products: Sequence[Product], ids: Sequence[str], queried: Sequence[int], limit: int) -> list[Query]:
    same: dict[str, set[int]] = {}
    titles = [" ".join(product.title.lower().split()) for product in products]
    for number, title in enumerate(titles):
        same.setdefault(title, set()).add(number)
    first = list({titles[number]: number for number in reversed(queried)}.values())[::-1]
    return [
        Query(
            row_id=f"title {ids[number]}",
            kind="title",
            product=Product(damaged(products[number].title, _rng("title", ids[number])) or products[number].title),
            source=number,
            relevant=frozenset(same[titles[number]]),
        )
        for number in first[:limit]
    ]


def _attributes(products: Sequence[Product], ids: Sequence[str], queried: Sequence[int], limit: int) -> list[Query]:
    names = facets(products)
    index = AttributeIndex(products)
    drawn: dict[str, Query] = {}
    for number in queried:
        query = attribute_query(products[number], names, _rng("attributes", ids[number]))
        if query is None or query.text in drawn or len(drawn) >= limit:
            continue
        relevant, unjudged = index.answers(query)
        drawn[query.text] = Query(
            f"attributes {ids[number]}", "attributes", Product(query.text), number, relevant, unjudged
        )
    return list(drawn.values())


def _matches(products: Sequence[Product], ids: Sequence[str], examples: pd.DataFrame, limit: int) -> list[Query]:
    numbers = {product_id: number for number, product_id in enumerate(ids)}
    # A part of a split may lack the products that its matches lead to.
    found = [frozenset(numbers[other] for other in others if other in numbers) for others in examples["matches"]]
    queries = [Query(f"match {ids[i]}", "match", products[i], i, right) for i, right in enumerate(found) if right]
    return queries[:limit]


def _rng(kind: str, product_id: str) -> random.Random:
    return random.Random(f"evaluation {kind} {product_id}")


class AttributeIndex:
    """Which products have a value or lie in a category; answers queries faster than asking each product."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._all = frozenset(range(len(products)))
        self._holders: dict[tuple[str, str], set[int]] = {}
        self._known: dict[str, set[int]] = {}
        for number, product in enumerate(products):
            facts = list(product.attributes.items())
            levels = (product.category or "").split(PATH_SEPARATOR) if product.category else []
            facts += [("", PATH_SEPARATOR.join(levels[: depth + 1])) for depth in range(len(levels))]
            for name, value in facts:
                self._holders.setdefault((name, value), set()).add(number)
                self._known.setdefault(name, set()).add(number)

    def answers(self, query: AttributeQuery) -> tuple[frozenset[int], frozenset[int]]:
        """The products that answer the query, and those of which that is not known."""
        facts = [*query.wanted, *([("", query.category)] if query.category is not None else [])]
        holders = [self._holders.get(fact, set()) for fact in facts]
        denying = [self._known.get(name, set()) - own for (name, _), own in zip(facts, holders, strict=True)]
        relevant = self._all.intersection(*holders)
        return relevant, (self._all - relevant).difference(*denying)

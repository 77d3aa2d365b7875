"""How good a product embedder is: damaged titles, attribute queries and matches find their products; missing fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product
from vitrina.errors import DataError
from vitrina.evaluation import classification, ranking
from vitrina.evaluation.catalogue_map import CatalogueMap
from vitrina.evaluation.report import Evaluation
from vitrina.families.layers.products import products_of
from vitrina.families.product_embedder.retrieval import Query, evaluation_queries

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.product_embedder.serving import EmbedderPredictor
    from vitrina.training.spec import Predictor

DEPTH = 10
RANKED = 100
"""Depth at which reciprocal ranks are cut."""

CHUNK = 256
CASES = 200
MOSTLY = 0.6
"""Share of the ten nearest products that must stay for a behavioural check to pass."""


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Search the products of `examples` with queries made from them; see `MetricsModule.evaluate`.

    Every metric is the mean over the kinds of queries of the mean over a kind's queries. A row is a query, its score
    its nDCG@10 with whole vectors.

    Raises:
        DataError: when no query can be made.
    """
    import pandas as pd

    embedder = cast("EmbedderPredictor", predictor)
    queries = evaluation_queries(examples)
    if not queries:
        raise DataError("No query can be made of these products: they need titles or attributes that repeat.")
    products = products_of(examples)
    vectors = embedder.embed_products(products)
    asked = embedder.embed_products([query.product for query in queries])
    kinds = [query.kind for query in queries]
    metrics: dict[str, float] = {}
    for size in embedder.dimensions:
        quality = measure(embedder.cut(asked, size), embedder.cut(vectors, size), queries)
        suffix = "" if size == embedder.dimension else f"_{size}"
        metrics |= {f"{name}{suffix}": value for name, value in by_kind(quality, kinds).items()}
        if size == embedder.dimension:
            scores = quality["ndcg_at_10"]
    metrics["queries"] = float(len(queries))
    rows = pd.DataFrame({"row_id": [query.row_id for query in queries], "score": scores})
    checks = _behaviour(embedder, products, vectors, queries)
    if checks:
        metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    labels = [_top_level(product) for product in products]
    files = CatalogueMap(vectors, labels, [product.title for product in products]).files()
    return Evaluation(metrics, rows, _slices(scores, queries, products), checks, files)


def _top_level(product: Product) -> str | None:
    """The upper two levels of the category: a map with all leaves would be grey."""
    return PATH_SEPARATOR.join(product.category.split(PATH_SEPARATOR)[:2]) if product.category else None


def measure(asked: np.ndarray, vectors: np.ndarray, queries: Sequence[Query]) -> dict[str, np.ndarray]:
    """nDCG@10, Recall@10 and reciprocal rank of every query when `vectors` are ranked by their cosine to `asked`."""
    found = [
        ranking.hits(
            ranking.top(judged(asked[start : start + CHUNK] @ vectors.T, part), RANKED),
            [query.relevant for query in part],
        )
        for start in range(0, len(queries), CHUNK)
        if (part := queries[start : start + CHUNK])
    ]
    hits, counts = np.concatenate(found), [len(query.relevant) for query in queries]
    return {
        "ndcg_at_10": ranking.ndcg(hits, counts, DEPTH),
        "recall_at_10": ranking.recall(hits, counts, DEPTH),
        "mrr": ranking.reciprocal_rank(hits),
    }


def judged(scores: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
    """The scores (queries, products) without the products that cannot be judged, and a match's own product."""
    for row, query in zip(scores, queries, strict=True):
        row[list(query.unjudged)] = -np.inf
        if query.kind == "match":
            row[query.source] = -np.inf
    return scores


def by_kind(quality: dict[str, np.ndarray], kinds: Sequence[str]) -> dict[str, float]:
    """Means of a kind's queries as `<kind>_<metric>`, and the mean of these as `<metric>`."""
    import pandas as pd

    means = pd.DataFrame(quality).groupby(list(kinds)).mean()
    each = {f"{kind}_{name}": float(means[name][kind]) for kind in means.index for name in quality}
    return {name: float(means[name].mean()) for name in quality} | each


def _slices(scores: np.ndarray, queries: Sequence[Query], products: Sequence[Product]) -> list[dict[str, Any]]:
    import pandas as pd

    sources = [products[query.source] for query in queries]
    by: dict[str, Iterable[object]] = {
        "query": [query.kind for query in queries],
        "language": [product.language for product in sources],
        "price": ["known" if product.price else "missing" for product in sources],
        "category": ["known" if product.category else "missing" for product in sources],
    }
    found = classification.slices(pd.Series(scores), by)
    return [{"ndcg_at_10" if name == "accuracy" else name: value for name, value in one.items()} for one in found]


def _behaviour(
    predictor: EmbedderPredictor, products: Sequence[Product], vectors: np.ndarray, queries: Sequence[Query]
) -> list[dict[str, Any]]:
    """What must hardly move the nearest products: price or category missing, a query in capitals."""
    known = sorted({query.source for query in queries})
    replace = msgspec.structs.replace
    edits: dict[str, tuple[Sequence[Product], Callable[[Product], Product]]] = {
        "missing_price": (
            [products[i] for i in known if products[i].price],
            lambda product: replace(product, price=None, currency=None),
        ),
        "missing_category": (
            [products[i] for i in known if products[i].category],
            lambda product: replace(product, category=None),
        ),
        "case": (
            [query.product for query in queries if query.kind != "match"],
            lambda product: replace(product, title=product.title.upper()),
        ),
    }
    return [
        _check(name, predictor, originals[:: -(-len(originals) // CASES)], edit, vectors)
        for name, (originals, edit) in edits.items()
        if originals
    ]


def _check(
    name: str,
    predictor: EmbedderPredictor,
    originals: Sequence[Product],
    edit: Callable[[Product], Product],
    vectors: np.ndarray,
) -> dict[str, Any]:
    before, after = (
        ranking.top(predictor.embed_products(each) @ vectors.T, DEPTH)
        for each in (originals, [edit(product) for product in originals])
    )
    stay = [len(set(old) & set(new)) / len(old) for old, new in zip(before, after, strict=True)]
    failed = [i for i, share in enumerate(stay) if share < MOSTLY]
    return {
        "check": name,
        "cases": len(originals),
        "passed": len(originals) - len(failed),
        "rate": 1 - len(failed) / len(originals),
        "failures": [
            {"text": originals[i].title, "expected": f"{MOSTLY:.0%} of the nearest stay", "got": f"{stay[i]:.0%}"}
            for i in failed[:5]
        ],
    }

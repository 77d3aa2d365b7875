"""A query → the products of an index that answer it best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.search import Filters, Hit, Mode, Reranker


class IndexSearchResult(JobResult):
    """`hits`: product_id, score, title, category, price, currency, language; best first."""

    index: str
    mode: str
    hits: list[dict[str, Any]]


def index_search(
    index: str,
    query: str,
    *,
    model: str | None = None,
    k: int = 10,
    filters: Filters | None = None,
    mode: Mode | None = None,
    rerank: str | None = None,
    image: Path | None = None,
) -> IndexSearchResult:
    """Search an index with a text, a photo, or both.

    Args:
        model: the model that built the index; only a lexical search does without.
        mode: default `hybrid` with a model, `lexical` without.
        rerank: a model that puts the first products found into a better order.
        image: a photo of what is looked for; `query` may then be empty, and the search is by vector.

    Raises:
        UsageError: an empty query, an unknown mode, or a mode that needs the model.
        ArtifactError: no index, a damaged one, or one of another model version.
    """
    from dataclasses import asdict

    from vitrina.errors import UsageError
    from vitrina.jobs.index_entries import embedder_of
    from vitrina.search import candidates, open_index, reranked

    worded = bool(query.strip())
    default: Mode = "vector" if image is not None and not worded else "hybrid"
    mode = mode or ("lexical" if model is None else default)
    if mode != "lexical" and model is None:
        raise UsageError(f"A {mode} search needs the model that built the index; give it, or search lexically.")
    if not worded and (image is None or mode != "vector" or rerank is not None):
        raise UsageError("The query is empty.")
    if image is not None and mode == "lexical":
        raise UsageError("A lexical search does not look at an image: give the model that built the index.")
    embedder = embedder_of(model) if model is not None and mode != "lexical" else None
    opened = open_index(index, version=embedder.version if embedder else None)
    vector = embedder.query(query, image) if embedder else None
    reranker = reranker_of(rerank) if rerank is not None else None
    wanted = k if reranker is None else candidates(k)
    hits = opened.search(query, vector, k=wanted, filters=filters, mode=mode)
    if reranker is not None:
        hits = reranked(query, hits, reranker, k)
    return IndexSearchResult(index=str(index), mode=mode, hits=[asdict(hit) for hit in hits])


def reranker_of(model: str) -> Reranker:
    """What orders hits anew by the model behind a reference.

    Raises:
        UsageError: when the model's family does not re-rank. ArtifactError, RegistryError: when it cannot be resolved.
    """
    from vitrina.contracts.products import Product
    from vitrina.errors import UsageError
    from vitrina.families import catalog
    from vitrina.jobs.switch import source_of

    source = source_of(model)
    predictor: Any = catalog.get(source.model).serving.load(source.folder)
    if not hasattr(predictor, "rerank"):
        raise UsageError(f"{source.model} does not re-rank products; its predictor has no `rerank`.")

    def rerank(text: str, hits: Sequence[Hit]) -> list[tuple[int, float]]:
        shelf = [Product(hit.title, category=hit.category, price=hit.price, currency=hit.currency) for hit in hits]
        return predictor.rerank(text, shelf)

    return rerank

"""A query → the products of an index that answer it best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.search import Filters, Mode


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
) -> IndexSearchResult:
    """Search an index with a text.

    Args:
        model: the model that built the index; only a lexical search does without.
        mode: default `hybrid` with a model, `lexical` without.

    Raises:
        UsageError: an empty query, an unknown mode, or a mode that needs the model.
        ArtifactError: no index, a damaged one, or one of another model version.
    """
    from dataclasses import asdict

    from vitrina.errors import UsageError
    from vitrina.jobs.index_entries import embedder_of
    from vitrina.search import open_index

    mode = mode or ("lexical" if model is None else "hybrid")
    if mode != "lexical" and model is None:
        raise UsageError(f"A {mode} search needs the model that built the index; give it, or search lexically.")
    if not query.strip():
        raise UsageError("The query is empty.")
    embedder = embedder_of(model) if model is not None and mode != "lexical" else None
    opened = open_index(index, version=embedder.version if embedder else None)
    vector = embedder.query(query) if embedder else None
    hits = opened.search(query, vector, k=k, filters=filters, mode=mode)
    return IndexSearchResult(index=str(index), mode=mode, hits=[asdict(hit) for hit in hits])

"""A caller's re-ranker decides the order of the first products found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from search_support import Shop, build

from vitrina.errors import UsageError
from vitrina.search import Hit, candidates, open_index, reranked


def longest_title_first(text: str, hits: Sequence[Hit]) -> list[tuple[int, float]]:
    return sorted(((at, float(len(hit.title))) for at, hit in enumerate(hits)), key=lambda each: -each[1])


def test_the_rerankers_order_and_scores_replace_those_of_the_search(tmp_path: Path, shop: Shop) -> None:
    build(tmp_path / "index", shop.entries(range(50)))
    hits = open_index(str(tmp_path / "index")).search("red model", k=candidates(3))
    assert len(hits) == 30
    best = reranked("red model", hits, longest_title_first, 3)
    lengths = sorted((len(hit.title) for hit in hits), reverse=True)
    assert [len(hit.title) for hit in best] == lengths[:3]
    assert [hit.score for hit in best] == [float(length) for length in lengths[:3]]
    assert {hit.product_id for hit in best} <= {hit.product_id for hit in hits}


def test_more_products_than_candidates_can_be_wanted() -> None:
    assert candidates(100) == 100


def test_nothing_found_stays_nothing_and_an_empty_query_is_refused() -> None:
    assert reranked("red", [], longest_title_first, 5) == []
    with pytest.raises(UsageError, match="needs a query text"):
        reranked(" ", [], longest_title_first, 5)

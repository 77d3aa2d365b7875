"""The catalogue index: products found by vector, by letters, or by both, behind one interface.

It knows vectors, texts, ids and metadata; jobs and services bring the model that makes the vectors.
"""

from vitrina.search.engine import Change, Entries, Facts, Filters, Hit, Index, Mode
from vitrina.search.location import build_index, open_index
from vitrina.search.reranking import Reranker, candidates, reranked

__all__ = [
    "Change",
    "Entries",
    "Facts",
    "Filters",
    "Hit",
    "Index",
    "Mode",
    "Reranker",
    "build_index",
    "candidates",
    "open_index",
    "reranked",
]

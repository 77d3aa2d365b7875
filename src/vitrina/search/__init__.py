"""The catalogue index: products found by vector, by letters, or by both, behind one interface.

It knows vectors, texts, ids and metadata; jobs and services bring the model that makes the vectors.
"""

from vitrina.search.engine import Change, Entries, Facts, Filters, Hit, Index, Mode
from vitrina.search.location import build_index, open_index

__all__ = ["Change", "Entries", "Facts", "Filters", "Hit", "Index", "Mode", "build_index", "open_index"]

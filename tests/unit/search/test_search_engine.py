"""What a search may ask."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.errors import UsageError
from vitrina.search import Filters
from vitrina.search.engine import chosen_mode

VECTOR = np.ones(3)


@pytest.mark.parametrize(
    ("mode", "text", "vector", "chosen"),
    [
        (None, "shoe", VECTOR, "hybrid"),
        (None, "shoe", None, "lexical"),
        (None, None, VECTOR, "vector"),
        (None, "  ", VECTOR, "vector"),
        ("lexical", "shoe", VECTOR, "lexical"),
        ("vector", "shoe", VECTOR, "vector"),
    ],
)
def test_the_mode_follows_from_the_query(mode, text, vector, chosen):
    assert chosen_mode(mode, text, vector, 10) == chosen


@pytest.mark.parametrize(
    ("mode", "text", "vector", "k", "problem"),
    [
        (None, None, None, 10, "A lexical search needs a query text"),
        (None, " ", None, 10, "A lexical search needs a query text"),
        ("hybrid", "shoe", None, 10, "A hybrid search needs the query's vector"),
        ("vector", "shoe", None, 10, "A vector search needs the query's vector"),
        ("hybrid", None, VECTOR, 10, "A hybrid search needs a query text"),
        ("fuzzy", "shoe", VECTOR, 10, "no search mode 'fuzzy'. Known: vector, lexical, hybrid"),
        (None, "shoe", VECTOR, 0, "k must be at least 1, got 0"),
    ],
)
def test_a_query_that_lacks_what_the_mode_needs_is_refused(mode, text, vector, k, problem):
    with pytest.raises(UsageError, match=problem):
        chosen_mode(mode, text, vector, k)


def test_filters_that_nothing_can_pass_are_refused():
    with pytest.raises(UsageError, match="price range is empty: 20 is more than 10"):
        Filters(min_price=20, max_price=10)
    with pytest.raises(UsageError, match="must be a number"):
        Filters(max_price=float("nan"))

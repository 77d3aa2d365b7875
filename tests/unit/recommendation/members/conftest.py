"""Four users of a shop with five products, small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vitrina.recommendation.histories import Histories, History

DAY = 86_400.0
ROWS = [[0, 1, 2], [0, 1], [1, 2, 3], [0, 3]]

MakeHistories = Callable[[Sequence[Sequence[int]], int], Histories]


def histories_from(rows: Sequence[Sequence[int]], products: int) -> Histories:
    sizes = [len(row) for row in rows]
    return Histories(
        [f"u{place}" for place in range(len(rows))],
        [f"p{place}" for place in range(products)],
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([item for row in rows for item in row], dtype=np.int32),
        np.array([DAY * place for row in rows for place in range(len(row))]),
        np.ones(sum(sizes), dtype=np.float32),
    )


@pytest.fixture
def make_histories() -> MakeHistories:
    """Histories of views a day apart: one list of products a user, and the number of products."""
    return histories_from


@pytest.fixture
def shop() -> Histories:
    """Users 0-1-2, 0-1, 1-2-3 and 0-3; nobody has product 4."""
    return histories_from(ROWS, 5)


@pytest.fixture
def had() -> Callable[..., History]:
    """A history of views a day apart."""

    def make(*items: int, weights: Sequence[float] | None = None) -> History:
        given = np.ones(len(items)) if weights is None else np.array(weights)
        return History(np.array(items, np.int32), DAY * np.arange(len(items), dtype=float), given.astype(np.float32))

    return make

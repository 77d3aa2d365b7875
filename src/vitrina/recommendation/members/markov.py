"""A first-order Markov chain: what came next after the last product; further lags where they help."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members.item_item import ItemItem, by_blocks, power
from vitrina.recommendation.members.lagged import transitions
from vitrina.recommendation.members.query import Query

load = ItemItem.load


@dataclass(frozen=True)
class Options:
    """Of `fit`: a step over `lag` products counts 1 / lag, up to `lags`; `neighbours` are kept for each product."""

    lags: int = 1
    neighbours: int = 200


def fit(histories: Histories, options: Options | None = None) -> ItemItem:
    """Rows of the matrix are the shares of what came next."""
    options = options or Options()
    counts = transitions(histories, options.lags, lambda lag: 1 / lag)
    shares = (power(np.asarray(counts.sum(1)).ravel(), -1) @ counts).tocsr()
    matrix = by_blocks(shares.shape[0], lambda start, end: shares[start:end], options.neighbours)
    return ItemItem("markov", matrix, Query(last=1))

"""Item-KNN that knows order: recent products count more, and so do pairs close to each other, before and after.

The lagged, recency-weighted form of session-based neighbours (Ludewig and Jannach, 2018; Garg et al., 2019, STAN).
"""

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
    """Of `fit`.

    Attributes:
        decay: a pair `lag` products apart counts lag^-decay.
        lags: pairs further apart count nothing.
        backward: how much "came before" counts beside "came after" (1).
        history_power, candidate_power: users of the history's product and of the candidate divide with these powers.
        shrinkage: added to the number of users of every product.
        neighbours: kept for each product.
        recency, strength: see `query.Query`.
    """

    decay: float = 0.3
    lags: int = 50
    backward: float = 0.3
    history_power: float = 0.35
    candidate_power: float = 0.2
    shrinkage: float = 10.0
    neighbours: int = 500
    recency: float = 1.7
    strength: float = 0.0


def fit(histories: Histories, options: Options | None = None) -> ItemItem:
    """Count lagged pairs in both directions."""
    options = options or Options()
    forward = transitions(histories, options.lags, lambda lag: lag**-options.decay)
    both = (forward + options.backward * forward.T).tocsr()
    users = np.asarray(histories.matrix().sum(0)).ravel()
    known = users + options.shrinkage * (users > 0)
    scaled = (power(known, -options.history_power) @ both @ power(known, -options.candidate_power)).tocsr()
    matrix = by_blocks(scaled.shape[0], lambda start, end: scaled[start:end], options.neighbours)
    return ItemItem("recent_knn", matrix, Query(options.recency, 0, options.strength))

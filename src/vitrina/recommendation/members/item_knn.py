"""Products that the same users had (Deshpande and Karypis, 2004): cosine, asymmetric where that is better, shrunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members.item_item import ItemItem, by_blocks, power
from vitrina.recommendation.members.query import Query

load = ItemItem.load


@dataclass(frozen=True)
class Options:
    """Of `fit`.

    Attributes:
        asymmetry: users of the history's product enter with this power, those of the candidate with one minus it
            (Aiolli, 2013); 0.5 is the cosine.
        user_power: a user with n products counts n^-user_power.
        shrinkage: how many users are added to every product's: few common users then say little.
        neighbours: kept for each product.
        recency, strength: see `query.Query`.
    """

    asymmetry: float = 0.5
    user_power: float = 0.0
    shrinkage: float = 0.0
    neighbours: int = 200
    recency: float = 0.0
    strength: float = 0.0


def fit(histories: Histories, options: Options | None = None) -> ItemItem:
    """Count common users block by block."""
    options = options or Options()
    seen = histories.matrix()
    degrees = np.asarray(seen.sum(0)).ravel()
    known = degrees + options.shrinkage * (degrees > 0)
    weighted = power(np.asarray(seen.sum(1)).ravel(), -options.user_power) @ seen
    left = (power(known, -options.asymmetry) @ seen.T).tocsr()
    right = (weighted @ power(known, options.asymmetry - 1)).tocsr()
    matrix = by_blocks(len(degrees), lambda start, end: left[start:end] @ right, options.neighbours)
    return ItemItem("item_knn", matrix, Query(options.recency, 0, options.strength))

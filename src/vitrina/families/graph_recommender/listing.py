"""What one answer's list is like (NumPy only)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrina.recommendation.diversity import intra_list_diversity, novelty


@dataclass(frozen=True)
class ListMeasures:
    """What one list of products is like.

    Attributes:
        diversity: 1 − mean cosine of its pairs, 0–2; 0 for fewer than two products.
        novelty: mean −log2 of each product's share of all choices, in bits.
        coverage: distinct categories over the most that so many products could have, 0–1.
    """

    diversity: float
    novelty: float
    coverage: float


def measures(places: np.ndarray, vectors: np.ndarray, customers: np.ndarray, categories: np.ndarray) -> ListMeasures:
    """What a list is like.

    Args:
        places: (k,) products of the list; the other three are of all products: unit vectors, how many customers chose
            each, and the code of its category (−1: unknown).
    """
    count = len(places)
    if not count:
        return ListMeasures(0.0, 0.0, 0.0)
    known = categories[places]
    reachable = min(count, int(categories.max(initial=-1)) + 1)
    found = len(np.unique(known[known >= 0]))
    return ListMeasures(
        intra_list_diversity(vectors[places]),
        float(novelty(places[None], customers)[0]),
        found / reachable if reachable else 0.0,
    )

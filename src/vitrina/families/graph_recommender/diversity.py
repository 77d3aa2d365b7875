"""Maximal marginal relevance, and what a list is like (NumPy only)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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


def marginal_relevance(scores: np.ndarray, vectors: np.ndarray, k: int, diversity: float) -> np.ndarray:
    r"""Places (at most k,) in order of choice: $\arg\max_i (1 - \lambda) r_i - \lambda \max_{j\,chosen} \cos(i, j)$.

    $r$ is the score scaled to 0–1 over the candidates, $\lambda$ `diversity`, 0–1. A shorter list is the beginning of a
    longer one of the same candidates. Carbonell and Goldstein, 1998.

    Args:
        scores: (candidates,), best first.
        vectors: (candidates, width), unit length.
    """
    count = min(k, len(scores))
    if diversity == 0 or count == 0:
        return np.arange(count)
    spread = scores[0] - scores[-1]
    value = (1 - diversity) * ((scores - scores[-1]) / spread if spread > 0 else np.zeros_like(scores))
    closest = np.zeros(len(scores), dtype=np.float32)
    open_ = np.ones(len(scores), dtype=bool)
    chosen = np.empty(count, dtype=np.int64)
    for place in range(count):
        best = int(np.where(open_, value - diversity * closest, -np.inf).argmax())
        chosen[place], open_[best] = best, False
        np.maximum(closest, vectors @ vectors[best], out=closest)
    return chosen


def measures(places: np.ndarray, vectors: np.ndarray, customers: np.ndarray, categories: np.ndarray) -> ListMeasures:
    """What a list is like.

    Args:
        places: (k,) products of the list; the other three are of all products: unit vectors, how many customers chose
            each, and the code of its category (−1: unknown).
    """
    count = len(places)
    if not count:
        return ListMeasures(0.0, 0.0, 0.0)
    total = vectors[places].sum(0)
    pairs = count * (count - 1)
    cosine = float(total @ total - (vectors[places] ** 2).sum()) / pairs if pairs else 1.0
    share = np.maximum(customers[places], 0.5) / max(float(customers.sum()), 1.0)
    known = categories[places]
    reachable = min(count, int(categories.max(initial=-1)) + 1)
    found = len(np.unique(known[known >= 0]))
    return ListMeasures(1 - cosine, float(-np.log2(share).mean()), found / reachable if reachable else 0.0)

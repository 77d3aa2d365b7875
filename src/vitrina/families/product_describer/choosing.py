"""Which of several candidates is answered: the most faithful first, then the one most like all the others.

Faithfulness is the number of slot errors (as TGen re-ranks, Dušek and Jurčíček, 2016). Among equals the choice is of
minimum Bayes risk (Kumar and Byrne, 2004): the candidate whose expected similarity to what the model could also have
said, here its other candidates and optional samples, is the highest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.families.product_describer.checker import Check

ORDERS = 4


@dataclass(frozen=True)
class Candidate:
    """A description as people read it.

    Attributes:
        score: mean log-probability of a token.
        utility: expected similarity to the other candidates, 0–1.
        unmet: what was asked for and it does not show: controls by name, keywords as they are.
    """

    text: str
    score: float
    utility: float
    check: Check
    unmet: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sort key, best first."""
        return (self.check.errors, len(self.unmet), -self.utility)


def expected_utilities(
    texts: Sequence[Sequence[str]], others: Sequence[Sequence[str]], weights: np.ndarray | None = None
) -> np.ndarray:
    """The weighted mean similarity of each tokenised text to `others`, (texts,)."""
    grams = [_ngrams(other) for other in others]
    lengths = [len(other) for other in others]
    weights = np.full(len(others), 1 / max(1, len(others))) if weights is None else weights / weights.sum()
    found = []
    for text in texts:
        own, size = _ngrams(text), len(text)
        each = [similarity(own, size, gram, length) for gram, length in zip(grams, lengths, strict=True)]
        found.append(float(np.dot(each, weights)))
    return np.array(found)


def similarity(
    own: Sequence[Counter[tuple[str, ...]]], size: int, other: Sequence[Counter[tuple[str, ...]]], length: int
) -> float:
    """Sentence BLEU with add-one smoothing above unigrams (Lin and Och, 2004) of one text against another, 0–1."""
    if not size or not length:
        return 0.0
    logs = 0.0
    for order in range(ORDERS):
        common = sum(min(count, other[order][gram]) for gram, count in own[order].items() if gram in other[order])
        total = max(0, size - order)
        extra = 1 if order else 0
        if common + extra == 0:
            return 0.0
        logs += np.log((common + extra) / (total + extra)) / ORDERS
    return float(np.exp(logs + min(0.0, 1 - length / size)))


def _ngrams(tokens: Sequence[str]) -> list[Counter[tuple[str, ...]]]:
    return [
        Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)) for order in range(1, ORDERS + 1)
    ]

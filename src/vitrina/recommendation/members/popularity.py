"""What everyone else had: the baseline of every table, and the answer to who is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members import store

DAY = 86_400.0


@dataclass(frozen=True)
class Options:
    """Of `fit`.

    Attributes:
        half_life: days after which an event counts half, from the last event of all on; 0: events do not age.
    """

    half_life: float = 0.0


@dataclass(frozen=True)
class Popularity:
    """log(1 + weight of a product's events), the same for everybody. `values`: (products,) float32."""

    values: np.ndarray

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32."""
        return np.repeat(self.values[None], len(batch), axis=0)

    def save(self, folder: Path) -> None:
        """See `store.write`."""
        store.write(folder, "popularity", {}, {"values": self.values})

    @classmethod
    def load(cls, folder: Path) -> Popularity:
        """See `store.read`."""
        return cls(store.read(folder)[1]["values"])


load = Popularity.load


def fit(histories: Histories, options: Options | None = None) -> Popularity:
    """Add up the events' weights, dislikes subtracted."""
    options = options or Options()
    weights = np.asarray(histories.weights, dtype=float)
    if options.half_life:
        age = (histories.times.max() - histories.times) / DAY
        weights = weights * 0.5 ** (age / options.half_life)
    total = np.bincount(histories.items, weights=weights, minlength=len(histories.products))
    return Popularity(np.log1p(np.maximum(total, 0)).astype(np.float32))

"""The trained attention over a history, run by NumPy: what `taste.Taste` computes, from a few small arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vitrina.families.graph_recommender.reading import Reading

PARAMETERS = ("query", "features", "rarity", "values", "constant", "prior", "bias", "scale")


class Attention:
    """Readings → unit vectors of users, and these → scores of products. Thread-safe.

    Attributes:
        products: (products, width) float32 unit vectors, the final ones of the propagation.
        base: (products,) float32: the part of a score that does not depend on the user.
    """

    def __init__(
        self, products: np.ndarray, degrees: np.ndarray, parameters: Mapping[str, np.ndarray], longest: int
    ) -> None:
        """`degrees`: (products,) log of the neighbours in the graph; `parameters`: those of `taste.Taste`.

        `longest`: products of a history that are read, the last ones, as in training.
        """
        self._longest = longest
        self.products = np.ascontiguousarray(products, dtype=np.float32)
        self.base = (parameters["bias"] + parameters["prior"] * degrees).astype(np.float32)
        self._degrees = degrees
        self._query, self._features, self._rarity, self._values, self._constant = (
            parameters[name] for name in ("query", "features", "rarity", "values", "constant")
        )
        self._scale = float(np.exp(parameters["scale"]))

    def users(self, readings: Sequence[Reading], intents: Sequence[int]) -> np.ndarray:
        """(readings, width) float32, of unit length."""
        rows = [self._constant[intent].copy() for intent in intents]
        for row, (reading, intent) in enumerate(zip(readings, intents, strict=True)):
            if len(reading):
                rows[row] += self._read(reading.last(self._longest), intent).sum(0)
        users = np.stack(rows)
        return users / np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-12)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """(users, products) float32."""
        return (self._scale * users) @ self.products.T + self.base

    def contributions(self, reading: Reading, intent: int, places: np.ndarray) -> np.ndarray:
        """(n, places): what each product of a history adds to the scores of some products; exact, base left out."""
        recent = reading.last(self._longest)
        read = self._read(recent, intent)
        length = float(np.linalg.norm(read.sum(0) + self._constant[intent]))
        parts = np.zeros((len(reading), len(places)), dtype=np.float32)
        parts[-len(recent) :] = (self._scale / max(length, 1e-12)) * read @ self.products[places].T
        return parts

    def _read(self, reading: Reading, intent: int) -> np.ndarray:
        """(n, width): the attended vector of each product of a history, over all heads."""
        vectors = self.products[reading.items]
        logits = self._query[intent] @ vectors.T + self._features[intent] @ reading.features.T
        logits -= self._rarity[:, None] * self._degrees[reading.items]
        weights = np.exp(logits - logits.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        return (weights.T @ self._values) * vectors

"""Two steps along the graph: from a history to the customers who share it, and on to what else they chose.

Linear and closed-form (the linear filter of GF-CF, Shen et al., 2021), inductive in users, with the exponents of the
degrees chosen on validation as the generalised normalisation of Peng et al., 2024 (SGFCF). NumPy and SciPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from vitrina.families.graph_recommender.reading import Reading

CUSTOMERS = 2000
"""Customers a walk goes through at most, the closest: bounds what a request costs. On gowalla it changes nothing."""


@dataclass(frozen=True)
class Exponents:
    """How much degrees damp a walk, and how much later products count for more.

    A product of the history starts with $(1 + p)^{-recency} d^{-history}$, p products came later; every step through a
    customer of n products is damped by $n^{-2 \\cdot customer}$, arriving at a product by $d^{-target}$.
    """

    history: float = 0.5
    customer: float = 0.5
    target: float = 0.5
    recency: float = 0.0


class Walk:
    """Walks over the choices of the training customers. Thread-safe."""

    def __init__(self, choices: sparse.csr_matrix, exponents: Exponents) -> None:
        """`choices`: (customers, products) float32, 1 where a customer chose a product."""
        self.exponents = exponents
        by_customer, by_product = (np.maximum(np.asarray(choices.sum(axis)).ravel(), 1) for axis in (1, 0))
        damped = sparse.diags((by_customer**-exponents.customer).astype(np.float32)) @ choices
        self._to_products = (damped @ sparse.diags((by_product**-exponents.target).astype(np.float32))).tocsr()
        self._to_customers = damped.T.tocsr()
        self._arrivals = self._to_products.T.tocsr()
        self._rarity = (by_product**-exponents.history).astype(np.float32)

    def scores(self, readings: Sequence[Reading]) -> np.ndarray:
        """(readings, products) float32; zeros where the history is empty or nobody shares it."""
        return (self.customers(readings) @ self._to_products).toarray()

    def customers(self, readings: Sequence[Reading]) -> sparse.csr_matrix:
        """(readings, customers): how close each is, the `CUSTOMERS` closest of each reading."""
        near = (self._starts(readings) @ self._to_customers).tocsr()
        for row in np.flatnonzero(np.diff(near.indptr) > CUSTOMERS):
            values = near.data[near.indptr[row] : near.indptr[row + 1]]
            values[np.argpartition(-values, CUSTOMERS)[CUSTOMERS:]] = 0
        near.eliminate_zeros()
        return near

    def contributions(self, reading: Reading, products: np.ndarray) -> np.ndarray:
        """(n, products): how much each product of a history adds to the scores of some products, before pruning."""
        starts = self._starts([reading])[:, reading.items].toarray().T
        return starts * (self._to_customers[reading.items] @ self._arrivals[products].T).toarray()

    def _starts(self, readings: Sequence[Reading]) -> sparse.csr_matrix:
        offsets = np.concatenate([[0], np.cumsum([len(reading) for reading in readings])])
        items = np.concatenate([reading.items for reading in readings])
        later = np.concatenate([np.arange(len(reading))[::-1] for reading in readings])
        start = self._rarity[items] * (1.0 + later) ** -self.exponents.recency
        shape = (len(readings), self._to_products.shape[1])
        return sparse.csr_matrix((start.astype(np.float32), items, offsets), shape=shape)

"""Prices as a network reads them: standardised within their currency; NumPy only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from vitrina.contracts.products import Product

UNSTATED = ""
"""The currency of prices without one: a shop that sells in one currency need not say so."""

Currencies = Mapping[str, tuple[float, float]]
"""Currency → mean and standard deviation of the natural logarithm of its prices."""


def currency_statistics(products: Sequence[Product], minimum: int = 2) -> dict[str, tuple[float, float]]:
    """Mean and spread of the log prices of every currency with at least `minimum` prices above 0."""
    logs: dict[str, list[float]] = {}
    for product in products:
        if product.price:
            logs.setdefault(product.currency or UNSTATED, []).append(math.log(product.price))
    # A spread below 5% would blow up small differences.
    return {
        currency: (float(np.mean(values)), max(float(np.std(values)), 0.05))
        for currency, values in sorted(logs.items())
        if len(values) >= minimum
    }


def price_is_known(product: Product, currencies: Currencies) -> bool:
    """Whether the price says something: above 0, in a currency that the model was trained on."""
    return bool(product.price) and (product.currency or UNSTATED) in currencies


def price_features(products: Sequence[Product], currencies: Currencies) -> np.ndarray:
    """(products, 2) float32: the log price standardised within its currency, and 1; or 0 and 0 where it is unknown."""
    rows = np.zeros((len(products), 2), dtype=np.float32)
    for i, product in enumerate(products):
        if price_is_known(product, currencies) and product.price:
            mean, spread = currencies[product.currency or UNSTATED]
            rows[i] = (math.log(product.price) - mean) / spread, 1.0
    return rows

"""Pairs of products of one user, so many products apart: what sequence members count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members.query import sequences

PAIRS = 20_000_000
"""Pairs held before they are added up."""


def transitions(histories: Histories, lags: int, weight: Callable[[float], float]) -> sparse.csr_matrix:
    """(products, products) float32: sum over users of weight(lag) where column came `lag` products after row."""
    users, items = sequences(histories)
    shape = (len(histories.products), len(histories.products))
    total = sparse.csr_matrix(shape, dtype=np.float32)
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    held = 0
    for lag in range(1, lags + 1):
        same = users[lag:] == users[:-lag]
        if not same.any():
            break
        earlier, later = items[:-lag][same], items[lag:][same]
        waiting.append((earlier, later, np.full(len(earlier), weight(float(lag)), dtype=np.float32)))
        held += len(earlier)
        if held > PAIRS:
            total, waiting, held = total + _added(waiting, shape), [], 0
    return (total + _added(waiting, shape)).tocsr() if waiting else total


def _added(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, int]) -> sparse.csr_matrix:
    rows, columns, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    return sparse.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32)

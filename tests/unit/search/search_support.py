"""A seeded shop whose products come as index entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vitrina.search import Entries, Facts, build_index

DIMENSION = 16
COLOURS = ("red", "blue", "green", "black", "white")
KINDS = (("Clothing > Shirts", "shirt"), ("Clothing > Shirts > Polo", "polo"), ("Footwear > Shoes", "shoe"))


class Shop:
    """Product number n always has the same texts, metadata and vector; every seventh lacks price and category."""

    def entries(self, numbers: Sequence[int], dimension: int = DIMENSION) -> Entries:
        """Products by number; their id is `p<number>`."""
        titles = [self.title(number) for number in numbers]
        known = [number % 7 != 0 for number in numbers]
        columns = {
            "product_id": [f"p{number}" for number in numbers],
            "title": titles,
            "category": [KINDS[n % 3][0] if sure else None for n, sure in zip(numbers, known, strict=True)],
            "price": [float(10 + n % 90) if sure else None for n, sure in zip(numbers, known, strict=True)],
            "currency": ["USD" if number % 10 == 0 else "EUR" for number in numbers],
            "language": ["es-MX" if number % 4 == 0 else "en" for number in numbers],
        }
        return Entries(pa.table(columns), self.vectors(numbers, dimension), titles)

    def title(self, number: int) -> str:
        """Such as `blue polo model 46`."""
        return f"{COLOURS[number % 5]} {KINDS[number % 3][1]} model {number}"

    def vectors(self, numbers: Sequence[int], dimension: int = DIMENSION) -> np.ndarray:
        """(numbers, dimension) float32."""
        rows = [np.random.default_rng(number).standard_normal(dimension) for number in numbers]
        return np.asarray(rows, dtype=np.float32).reshape(len(numbers), dimension)


def build(location: object, entries: Entries, version: str = "v1") -> Facts:
    """An index of the model `toy`."""
    return build_index(str(location), [entries], model="toy", version=version)


def exact(entries: Entries, query: np.ndarray, k: int, passing: Sequence[bool] | None = None) -> list[str]:
    """The ids of the truly nearest products."""
    units = entries.vectors / np.linalg.norm(entries.vectors, axis=1, keepdims=True)
    scores = units @ (query / np.linalg.norm(query))
    if passing is not None:
        scores = np.where(passing, scores, -np.inf)
    ids = entries.rows.column("product_id").to_pylist()
    return [ids[row] for row in np.argsort(-scores, kind="stable")[:k] if scores[row] > -np.inf]

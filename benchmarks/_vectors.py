"""A million realistic product vectors, made piece by piece from the names of 30,557 real products.

A vector is a point between a name's MiniLM embedding and that of one of its 30 nearest names, moved along the
difference of two random names (so that it varies as names do) and by a little noise in every direction; then rotated
within three blocks, so that its first 128 and 256 numbers carry most of it, as in a Matryoshka embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _results import published
from drift_false_alarms import embed

DIMENSION = 768
PIECE = 20_000
BLOCKS = ((0, 128), (128, 256), (256, DIMENSION))
QUERIES = 10_000_000
"""Number of the piece that queries come from: no indexed piece has it."""


@dataclass(frozen=True)
class Piece:
    """Some products: `names` are row numbers of `Catalogue.names`."""

    vectors: np.ndarray
    names: np.ndarray
    prices: np.ndarray


class Catalogue:
    """Makes pieces; the same number always gives the same piece."""

    def __init__(self, cache: Path) -> None:
        products = _products()
        self.names = products["productDisplayName"].tolist()
        path = products[["masterCategory", "subCategory", "articleType"]].agg(" > ".join, axis=1)
        self.categories = np.asarray(path.tolist(), dtype=object)
        self.codes = np.unique(path.tolist(), return_inverse=True)[1]
        if not (cache / "names.npy").is_file():
            cache.mkdir(parents=True, exist_ok=True)
            np.save(cache / "names.npy", embed(self.names))
        embedded = np.load(cache / "names.npy")
        if not (cache / "near.npy").is_file():
            np.save(cache / "near.npy", _neighbours(embedded))
        self._near = np.load(cache / "near.npy")
        _, axes = np.linalg.eigh(np.cov(embedded.T))
        self._points = (embedded @ axes[:, ::-1]).astype(np.float32)
        rng = np.random.default_rng(1)
        squares = [rng.standard_normal((stop - start,) * 2) for start, stop in BLOCKS]
        self._rotations = [np.linalg.qr(square)[0].astype(np.float32) for square in squares]

    def piece(self, number: int, rows: int = PIECE, dimension: int = DIMENSION) -> Piece:
        """Piece `number` of the catalogue; `dimension` cuts the vectors and normalises them again."""
        rng = np.random.default_rng((7, number))
        count, width = self._points.shape
        names = rng.integers(count, size=rows)
        other = self._near[names, rng.integers(self._near.shape[1], size=rows)]
        share = rng.uniform(0, 0.5, (rows, 1)).astype(np.float32)
        one, two = rng.integers(count, size=(2, rows))
        way = self._points[one] - self._points[two]
        way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
        vectors = rng.standard_normal((rows, DIMENSION), np.float32) * np.float32(0.1 / np.sqrt(DIMENSION))
        vectors[:, :width] += (1 - share) * self._points[names] + share * self._points[other]
        vectors[:, :width] += rng.uniform(0.1, 0.4, (rows, 1)).astype(np.float32) * way
        for (start, stop), rotation in zip(BLOCKS, self._rotations, strict=True):
            vectors[:, start:stop] = vectors[:, start:stop] @ rotation
        vectors = vectors[:, :dimension]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Piece(vectors, names, np.round(rng.lognormal(3.5, 0.8, rows), 2))

    def pieces(self, rows: int, dimension: int) -> Iterator[Piece]:
        """The first `rows` products."""
        for number in range(-(-rows // PIECE)):
            yield self.piece(number, min(PIECE, rows - number * PIECE), dimension)


def exact(catalogue: Catalogue, rows: int, queries: Piece, k: int) -> list[np.ndarray]:
    """(queries, k) row numbers of the truly nearest products: of all, and of those of the query's category.

    Where a category has fewer products, -1 fills the row.
    """
    asked, dimension = catalogue.codes[queries.names], queries.vectors.shape[1]
    best = [(np.full((len(asked), k), -2.0, np.float32), np.full((len(asked), k), -1)) for _ in range(2)]
    for number, piece in enumerate(catalogue.pieces(rows, dimension)):
        scores = queries.vectors @ piece.vectors.T
        within = np.where(asked[:, None] == catalogue.codes[piece.names], scores, np.float32(-2))
        best = [_better(*old, new, number * PIECE) for old, new in zip(best, (scores, within), strict=True)]
    return [np.where(scores > -2, found, -1) for scores, found in best]


def _better(best: np.ndarray, found: np.ndarray, scores: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    k = best.shape[1]
    top = np.argpartition(scores, -k, axis=1)[:, -k:]
    best = np.concatenate([best, np.take_along_axis(scores, top, 1)], axis=1)
    found = np.concatenate([found, top + first], axis=1)
    order = np.argsort(-best, axis=1)[:, :k]
    return np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)


def _products() -> pd.DataFrame:
    data = published()
    products = pd.read_csv(data / "fashion_products" / "products.csv.gz").dropna(subset=["productDisplayName"])
    return products.fillna("Unknown").drop_duplicates("productDisplayName").sort_values("productDisplayName")


def _neighbours(points: np.ndarray, count: int = 30) -> np.ndarray:
    """(points, count) the nearest other points."""
    near = []
    for start in range(0, len(points), 1000):
        scores = points[start : start + 1000] @ points.T
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -2
        near.append(np.argpartition(-scores, count, axis=1)[:, :count])
    return np.concatenate(near)

"""What a product is, as numbers: from a product embedder, or from the hashed words of its title, category and brand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from vitrina.artifacts import verify_manifest
from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.families.layers.products import products_of
from vitrina.text.ngrams import NgramHasher

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.contracts.products import Product

BUCKETS = 1 << 16
CHUNK = 4096
PRICES_PER_DOUBLING = 2
"""How many price words there are between a price and twice that price."""


def content_vectors(products: pd.DataFrame, width: int, embedder: str | None = None, seed: int = 7) -> np.ndarray:
    """(products, width) float32, length 1; what is alike lies close together.

    Args:
        products: catalogue rows.
        embedder: model folder of a product embedder; None: hashed words.

    Raises:
        ArtifactError: when the embedder's folder is damaged.
    """
    raw = _embedded(products, Path(embedder)) if embedder else _hashed(products)
    return _narrowed(raw, width, seed)


def _embedded(products: pd.DataFrame, folder: Path) -> np.ndarray:
    from vitrina.families import catalog

    predictor = catalog.get(str(verify_manifest(folder).get("family"))).serving.load(folder)
    return np.concatenate(
        [predictor.embed(products.iloc[start : start + CHUNK]) for start in range(0, len(products), CHUNK)]
    )


def _hashed(products: pd.DataFrame) -> sparse.csr_matrix:
    """Words, category levels, brand and price of each product as TF-IDF over hash buckets."""
    hasher = NgramHasher(BUCKETS, sizes=(6, 5))  # whole words and pairs: no character n-grams
    rows = [[bucket - 1 for text in _words(product) for bucket in hasher(text)] for product in products_of(products)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    columns = np.array([bucket for row in rows for bucket in row], dtype=np.int64)
    counts = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, offsets), shape=(len(rows), BUCKETS))
    counts.sum_duplicates()
    counts.data = 1 + np.log(counts.data)
    present = np.bincount(counts.indices, minlength=BUCKETS)
    counts.data *= np.log((1 + len(rows)) / (1 + present))[counts.indices].astype(np.float32)
    return counts


def _words(product: Product) -> list[str]:
    """Texts whose words say what a product is; each level of the category is one word of its own."""
    path = (product.category or "").split(PATH_SEPARATOR)
    levels = ["level " + "_".join(PATH_SEPARATOR.join(path[: depth + 1]).split()) for depth in range(len(path))]
    found = [product.title, " ".join(product.attributes.values()), *(levels if product.category else [])]
    if product.brand:
        found.append("brand_" + "_".join(product.brand.split()))
    if product.price:
        found.append(f"price_{round(math.log2(product.price) * PRICES_PER_DOUBLING)}")
    return found


def _narrowed(vectors: np.ndarray | sparse.csr_matrix, width: int, seed: int) -> np.ndarray:
    """The directions that tell most products apart (truncated SVD; Halko et al., 2011), rows of length 1."""
    from sklearn.utils.extmath import randomized_svd

    size = min(width, min(vectors.shape) - 1)
    if size < 1:
        return np.ones((vectors.shape[0], width), dtype=np.float32) / math.sqrt(width)
    left, values, _ = randomized_svd(vectors, size, n_iter=2, random_state=seed)
    narrow = np.zeros((vectors.shape[0], width), dtype=np.float32)
    narrow[:, :size] = left * np.sqrt(values)
    return unit(narrow)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their lengths; zero rows stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def mean_of(content: np.ndarray, items: Sequence[np.ndarray]) -> np.ndarray:
    """(rows, width): the mean content of each row's places, length 1; zeros where there are none."""
    rows = np.zeros((len(items), content.shape[1]), dtype=np.float32)
    for number, places in enumerate(items):
        if len(places):
            rows[number] = content[places].mean(0)
    return unit(rows)

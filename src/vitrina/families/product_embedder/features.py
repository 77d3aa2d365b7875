"""What the embedder reads of a product besides its text; the same in training and in serving, NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product
from vitrina.families.layers.products import product_text
from vitrina.text.ngrams import PADDING

LEVELS = 6
"""Levels of a category path that are read."""


def text_of(product: Product) -> str:
    """Title, brand, category path, attributes and description."""
    return product_text(product, category=True)


def category_features(products: Sequence[Product], buckets: int) -> np.ndarray:
    """(products, LEVELS) int64: the hashed path up to each level, 1 … `buckets`; 0 where there is no such level."""
    rows = np.full((len(products), LEVELS), PADDING, dtype=np.int64)
    for i, product in enumerate(products):
        levels = [level.strip().lower() for level in (product.category or "").split(PATH_SEPARATOR.strip())]
        path = ""
        for depth, level in enumerate(level for level in levels[:LEVELS] if level):
            path += f"{PATH_SEPARATOR}{level}"
            rows[i, depth] = crc32(path.encode()) % buckets + 1
    return rows

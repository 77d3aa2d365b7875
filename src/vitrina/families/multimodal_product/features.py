"""What a model reads of a product besides words and photo: price and metadata; NumPy only, the same in training."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product
from vitrina.families.layers.products import product_text
from vitrina.text.ngrams import padded


def text_of(product: Product) -> str:
    """Title, brand and description: what the model reads as words; category and attributes are metadata."""
    return product_text(product, attributes=False)


def brand_facts(product: Product) -> list[str]:
    """The brand as a fact."""
    return [f"brand={product.brand}"] if product.brand else []


def category_facts(product: Product) -> list[str]:
    """The category path up to each level."""
    names = [part.strip() for part in (product.category or "").split(PATH_SEPARATOR.strip()) if part.strip()]
    return [f"category={PATH_SEPARATOR.join(names[: level + 1])}" for level in range(len(names))]


def attribute_fact(name: str, value: str) -> str:
    """One attribute as a fact."""
    return f"attribute {name}={value}"


def fact_ids(facts: Sequence[str], buckets: int, limit: int) -> list[int]:
    """Bucket numbers 1 … `buckets` of the first `limit` facts; case does not matter."""
    return [crc32(fact.lower().encode()) % buckets + 1 for fact in facts[:limit]]


def word_arrays(rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """`input_ids` and `attention_mask`, int64 (rows, longest), at least one column; a row may have no words."""
    ids = padded(rows)
    lengths = np.array([len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": (np.arange(ids.shape[1])[None] < lengths[:, None]).astype(np.int64)}

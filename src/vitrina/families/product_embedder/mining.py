"""Products that are easily taken for one another: hard negatives (DPR, Karpukhin et al., 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vitrina.contracts.products import Product

BLOCK = 1000
COMMON = 0.02
"""Words in more than this share of a large catalogue's titles are left out: they make everything alike."""

LARGE = 1000


def similar(products: Sequence[Product], count: int, seed: int, vectors: np.ndarray | None = None) -> list[np.ndarray]:
    """For every product the numbers of up to `count` others: half are nearest, half share its leaf category.

    Args:
        vectors: (products, dimension) unit vectors of an earlier model to find the nearest with; default: the rarer
            words of the titles decide.
    """
    nearest = _by_words(products, count) if vectors is None else _by_vectors(vectors, count)
    rng = np.random.default_rng(seed)
    shelves: dict[str, list[int]] = {}
    for number, product in enumerate(products):
        if product.category:
            shelves.setdefault(product.category, []).append(number)
    members = {path: np.array(numbers) for path, numbers in shelves.items()}
    return [
        _mixed(near, members.get(product.category or ""), number, count, rng)
        for number, (product, near) in enumerate(zip(products, nearest, strict=True))
    ]


def _mixed(near: np.ndarray, shelf: np.ndarray | None, number: int, count: int, rng: np.random.Generator) -> np.ndarray:
    near = near[near != number]
    shelf = near[:0] if shelf is None else shelf[shelf != number]
    beside = rng.choice(shelf, min(len(shelf), count - count // 2), replace=False) if len(shelf) else shelf
    return np.unique(np.concatenate([near[: count - len(beside)], beside]))


def _by_vectors(vectors: np.ndarray, count: int) -> Iterator[np.ndarray]:
    wanted = min(count + 1, len(vectors))
    for start in range(0, len(vectors), BLOCK):
        scores = vectors[start : start + BLOCK] @ vectors.T
        yield from np.argpartition(-scores, wanted - 1, axis=1)[:, :wanted]


def _by_words(products: Sequence[Product], count: int) -> Iterator[np.ndarray]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    titles = [product.title for product in products]
    vectorizer = TfidfVectorizer(
        token_pattern=r"\w+", sublinear_tf=True, max_df=COMMON if len(titles) >= LARGE else 1.0
    )
    try:
        table = vectorizer.fit_transform(titles)
    except ValueError:  # no title holds a word
        yield from (np.empty(0, dtype=np.int64) for _ in titles)
        return
    for start in range(0, len(titles), BLOCK):
        scores = (table[start : start + BLOCK] @ table.T).tocsr()
        for row in range(scores.shape[0]):
            piece = slice(scores.indptr[row], scores.indptr[row + 1])
            best = np.argsort(-scores.data[piece], kind="stable")[: count + 1]
            yield scores.indices[piece][best].astype(np.int64)

"""What the rating tower reads of customers and products, from reviews and vectors; NumPy, in training and in serving.

Layouts, in this order: a customer is USER_NUMBERS, then the mean vector of the reviews they wrote, then what they liked
as content and as photos (the vectors of the products they reviewed, weighted by stars above the mean); a product is
PRODUCT_NUMBERS, then the mean vector of its reviews, its content, its photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

USER_NUMBERS = 4
"""Bias in stars, logarithm of the number of reviews, whether there are reviews, whether a liked photo is known."""

PRODUCT_NUMBERS = 6
"""Bias in stars, logarithm of the number of reviews, whether there are any, photo known, standardised price, known."""

SHRINKAGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True)
class Products:
    """Vectors of products: content (n, text), photo (n, photo, zeros unless `has_photo`), price (n, 2); float32."""

    content: np.ndarray
    photo: np.ndarray
    has_photo: np.ndarray
    price: np.ndarray

    def with_more(self, other: Products) -> Products:
        """These and then those."""
        return Products(*_joined(self, other))


@dataclass(frozen=True)
class Reviews:
    """Reviews as arrays: vectors (n, text) float32, ratings (n,), products (n,) places in `Products` or −1.

    A vector of zeros is a rating without words.
    """

    vectors: np.ndarray
    ratings: np.ndarray
    products: np.ndarray

    def at(self, places: np.ndarray) -> Reviews:
        """Those at `places`."""
        return Reviews(self.vectors[places].astype(np.float32), self.ratings[places], self.products[places])

    def with_more(self, other: Reviews) -> Reviews:
        """These and then those."""
        return Reviews(*_joined(self, other))


def _joined(first: Products | Reviews, second: Products | Reviews) -> list[np.ndarray]:
    """Every array of both, one after the other."""
    return [np.concatenate(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True)]


@dataclass(frozen=True)
class Ratings:
    """Mean of the training ratings, and how strongly a mean of few is pulled towards it (stars of `shrinkage` rows)."""

    mean: float
    user: float
    product: float

    def bias(self, rows: csr_matrix, ratings: np.ndarray, side: str) -> np.ndarray:
        r"""$\sum (r - \mu) / (n + \lambda)$ of every row's reviews: (rows,) stars."""
        sums, counts = rows @ (ratings - self.mean), rows.sum(1).A1
        return sums / (counts + getattr(self, side))


def membership(histories: Sequence[Sequence[int] | np.ndarray], reviews: int) -> csr_matrix:
    """Which reviews each history holds: (histories, reviews) float32."""
    lengths = [len(history) for history in histories]
    places = np.concatenate([np.empty(0, np.int64), *(np.asarray(history, np.int64) for history in histories)])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return csr_matrix((np.ones(len(places), np.float32), places, offsets), shape=(len(lengths), reviews))


def gathered(histories: Sequence[np.ndarray], reviews: Reviews) -> tuple[csr_matrix, Reviews]:
    """Only the reviews that these histories (places in `reviews`) hold, and which of them each holds."""
    ends = np.cumsum([len(history) for history in histories])
    each = [np.arange(end - len(history), end) for end, history in zip(ends, histories, strict=True)]
    used = np.concatenate([np.empty(0, dtype=np.int64), *histories])
    return membership(each, len(used)), reviews.at(used)


def user_features(rows: csr_matrix, reviews: Reviews, products: Products, ratings: Ratings) -> np.ndarray:
    """(histories, USER_NUMBERS + 2 · text + photo) float32; see the layout above."""
    counts = rows.sum(1).A1
    liked = _liked(rows, reviews, len(products.content), ratings.mean)
    photos = liked @ products.photo
    with_photo = (abs(liked) @ products.has_photo.astype(np.float32)) > 0
    bias = ratings.bias(rows, reviews.ratings, "user")
    numbers = np.stack([bias, np.log1p(counts) / 3, counts > 0, with_photo], axis=1)
    scale = np.maximum(counts, 1)[:, None]
    parts = [numbers, _written(rows, reviews), liked @ products.content / scale, photos / scale]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _written(rows: csr_matrix, reviews: Reviews) -> np.ndarray:
    """The mean vector of each history's reviews that have words."""
    worded = rows @ reviews.vectors.any(1).astype(np.float32)
    return rows @ reviews.vectors / np.maximum(worded, 1)[:, None]


def _liked(rows: csr_matrix, reviews: Reviews, products: int, mean: float) -> csr_matrix:
    """Stars above the mean that each history gave each product: (histories, products)."""
    known = np.flatnonzero(reviews.products >= 0)
    stars = (reviews.ratings[known] - mean).astype(np.float32)
    given = csr_matrix((stars, (known, reviews.products[known])), shape=(len(reviews.products), products))
    return rows @ given


def product_features(
    places: np.ndarray, rows: csr_matrix, reviews: Reviews, products: Products, ratings: Ratings
) -> np.ndarray:
    """(rows, PRODUCT_NUMBERS + 2 · text + photo) float32 of the products at `places`, with their reviews `rows`."""
    counts = rows.sum(1).A1
    bias = ratings.bias(rows, reviews.ratings, "product")
    known = products.has_photo[places]
    numbers = np.stack([bias, np.log1p(counts) / 3, counts > 0, known, *products.price[places].T], axis=1)
    parts = [numbers, _written(rows, reviews), products.content[places], products.photo[places]]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def fit_ratings(users: csr_matrix, products: csr_matrix, reviews: Reviews, truth: np.ndarray) -> Ratings:
    """The mean, and the shrinkage that tells `truth` best from the means of what was before.

    Args:
        users, products: the history of each row's customer and product, without the row itself.
    """
    best = Ratings(float(truth.mean()), SHRINKAGES[-1], SHRINKAGES[-1])
    for side in ("product", "user", "product"):
        tried = [replace(best, **{side: shrinkage}) for shrinkage in SHRINKAGES]
        best = min(tried, key=lambda one: _squares(one, users, products, reviews, truth))
    return best


def bias_baseline(ratings: Ratings, users: csr_matrix, products: csr_matrix, reviews: Reviews) -> np.ndarray:
    """Mean + bias of the customer + bias of the product, in stars 1–5: what the tower must beat; (rows,)."""
    biases = ratings.bias(users, reviews.ratings, "user") + ratings.bias(products, reviews.ratings, "product")
    return np.clip(ratings.mean + biases, 1, 5)


def _squares(ratings: Ratings, users: csr_matrix, products: csr_matrix, reviews: Reviews, truth: np.ndarray) -> float:
    return float(((bias_baseline(ratings, users, products, reviews) - truth) ** 2).mean())

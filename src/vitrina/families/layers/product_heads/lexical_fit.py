"""The n-gram bag's weights: one linear classifier a logits column, fitted on hashed n-grams before the encoder learns.

A linear SVM on word and character n-grams is hard to beat on product names (Joachims, 1998; Wang and Manning, 2012):
here it is part of the model, as the rows of an embedding table, so that it is exported with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from vitrina.families.layers.product_heads.heads import Head

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from vitrina.families.layers.lexical import LexicalBag

SCALE = 7.0
"""Of the rarity weights: rows end with a norm of about one, which `strength` is meant for."""

LOGISTIC = 5.0
"""Logistic regression never stops pushing rows apart: it takes a weaker penalty than the SVM to fit as well."""

FEWEST_ROWS = 2
SHARE_LIMIT = 0.02
"""Shares are kept this far from 0 and 1 before they become log odds."""


class WithBag(Protocol):
    """A model whose heads read an n-gram bag too: logits of all heads = `lexical_head(lexical(ngram_ids))`."""

    heads: list[Head]
    lexical: LexicalBag | None
    lexical_head: torch.nn.Linear


def fit(model: WithBag, rows: Sequence[Sequence[int]], labels: np.ndarray, strength: float) -> None:
    """Fill the model's bag and its linear map, in place.

    Args:
        rows: bucket numbers of each training text.
        labels: (rows, targets), NaN is unknown.
        strength: C of the linear classifiers.
    """
    assert model.lexical is not None
    buckets, width = model.lexical.embedding.weight.shape
    counts, rarity = features(rows, buckets)
    columns = sum(head.width for head in model.heads)
    weights, offsets = np.zeros((columns, buckets)), np.zeros(columns)
    for head in model.heads:
        known = ~np.isnan(labels[:, head.target])
        if known.sum() >= FEWEST_ROWS:
            found = _linear(head, counts[known], labels[known][:, head.target_columns], strength)
            weights[head.columns], offsets[head.columns] = found
    table, head_weights = factors(weights * rarity, width)
    with torch.no_grad():
        model.lexical.embedding.weight.copy_(torch.from_numpy(table))
        model.lexical_head.weight.copy_(torch.from_numpy(head_weights))
        model.lexical_head.bias.copy_(torch.from_numpy(offsets))


def features(rows: Sequence[Sequence[int]], buckets: int) -> tuple[csr_matrix, np.ndarray]:
    """What `LexicalBag` sums, with rare n-grams raised: (rows, buckets), and that rarity (buckets,)."""
    from scipy.sparse import csr_matrix, diags

    lengths = np.array([len(row) for row in rows])
    values = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    place = np.repeat(np.arange(len(rows)), lengths)
    flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    counts = csr_matrix((values, (place, flat)), shape=(len(rows), buckets))
    counts.sum_duplicates()
    frequency = np.bincount(counts.indices, minlength=buckets)
    rarity = (np.log((1 + len(rows)) / (1 + frequency)) + 1) / SCALE
    return (counts @ diags(rarity)).tocsr(), rarity


def factors(weights: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(columns, buckets) ≈ second @ first.T: a table (buckets, width) and a map (columns, width), both float32.

    Exact where `width` reaches the number of columns, else the best of its rank (Eckart and Young, 1936).
    """
    columns = len(weights)
    if width >= columns:
        first, second = weights.T, np.eye(columns)
    else:
        _, vectors = np.linalg.eigh(weights @ weights.T)  # ascending: the last ones matter
        second = vectors[:, -width:]
        first = weights.T @ second
    spare = ((0, 0), (0, max(0, width - columns)))
    return np.pad(first, spare).astype(np.float32), np.pad(second, spare).astype(np.float32)


def _linear(head: Head, counts: csr_matrix, targets: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (head.width, buckets) and offsets (head.width,) of one head."""
    if head.kind == "one":
        return _one_of(head, counts, targets[:, 0].astype(int), strength)
    if head.kind == "number":
        return _number(counts, targets[:, 0], strength)
    if head.kind == "ordinal":
        targets = (targets > np.arange(head.width)).astype(float)
    weights = np.zeros((head.width, counts.shape[1]))
    offsets = np.zeros(head.width)
    for column in range(head.width):
        model = _yes_or_no(counts, targets[:, column], strength)
        if model is not None:
            weights[column], offsets[column] = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    return weights, offsets


def _one_of(head: Head, counts: csr_matrix, truth: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """A linear SVM a label, each against the rest; a label without rows is one nobody votes for."""
    from sklearn.svm import LinearSVC

    weights, offsets = np.zeros((head.width, counts.shape[1])), np.full(head.width, -1.0)
    found = np.unique(truth)
    if len(found) < 2:
        return weights, offsets
    model = LinearSVC(C=strength).fit(counts, truth)
    if len(found) == 2:  # then there is one separator: positive for the second
        weights[found], offsets[found] = np.outer([-1, 1], model.coef_[0]), np.outer([-1, 1], model.intercept_)[:, 0]
    else:
        weights[found], offsets[found] = model.coef_, model.intercept_
    return weights, offsets


def _number(counts: csr_matrix, truth: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of a number: weights (1, buckets), offset (1,)."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1 / strength).fit(counts, truth)
    return model.coef_[None], np.array([model.intercept_])


def _yes_or_no(counts: csr_matrix, truth: np.ndarray, strength: float) -> Any:
    """Logistic regression of 0/1 labels, ridge regression of the log odds of shares; None where all are equal."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if len(np.unique(truth)) < 2:
        return None
    if set(np.unique(truth)) <= {0.0, 1.0}:
        return LogisticRegression(C=LOGISTIC * strength, max_iter=300).fit(counts, truth)
    kept = truth.clip(SHARE_LIMIT, 1 - SHARE_LIMIT)
    return Ridge(alpha=1 / strength).fit(counts, np.log(kept / (1 - kept)))

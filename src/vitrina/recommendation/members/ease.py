r"""EASE (Steck, 2019): the linear model from product to product with zero diagonal, in closed form.

$B = I - P\,\mathrm{diag}(P)^{-1}$ with $P = (X^\top X + \lambda I)^{-1}$. The inverse is dense: only the `head`, the
products with most users, take part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members.item_item import ItemItem, nearest_of_dense, power
from vitrina.recommendation.members.query import Query

load = ItemItem.load


@dataclass(frozen=True)
class Options:
    """Of `fit`.

    Attributes:
        regularisation: lambda; larger for data with more users a product.
        user_power: a user with n products counts n^-user_power.
        head: products that take part; 12,000 need 1.2 GB and about two minutes of one core.
        neighbours: kept for each product.
        recency, strength: see `query.Query`.
    """

    regularisation: float = 300.0
    user_power: float = 0.0
    head: int = 12_000
    neighbours: int = 500
    recency: float = 0.0
    strength: float = 0.0


def fit(histories: Histories, options: Options | None = None) -> ItemItem:
    """Invert the Gram matrix of the head."""
    options = options or Options()
    seen = histories.matrix()
    degrees = np.asarray(seen.sum(0)).ravel()
    head = np.sort(np.argsort(-degrees, kind="stable")[: options.head])
    weighted = power(np.asarray(seen.sum(1)).ravel(), -options.user_power / 2) @ seen[:, head]
    gram = np.asarray((weighted.T @ weighted).toarray(), dtype=np.float32)
    gram[np.diag_indices(len(head))] += options.regularisation
    inverse = inverted(gram)
    inverse /= -np.diag(inverse)[None].copy()

    near = nearest_of_dense(inverse, options.neighbours).tocoo()
    shape = (len(degrees), len(degrees))
    matrix = sparse.csr_matrix((near.data, (head[near.row], head[near.col])), shape=shape, dtype=np.float32)
    return ItemItem("ease", matrix, Query(options.recency, 0, options.strength))


def inverted(gram: np.ndarray) -> np.ndarray:
    """The inverse of a symmetric positive definite float32 matrix, in its own memory (Cholesky)."""
    factor, failed = linalg.lapack.spotrf(gram.T, lower=False, overwrite_a=True)
    inverse, failed_too = linalg.lapack.spotri(factor, lower=False, overwrite_c=True)
    if failed or failed_too:
        raise linalg.LinAlgError("The Gram matrix is not positive definite: raise the regularisation.")
    upper = np.triu(inverse, 1)
    inverse = np.triu(inverse)
    inverse += upper.T
    return inverse

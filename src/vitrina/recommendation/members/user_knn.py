"""What the users most like this one had: neighbours found at request time, from whatever the history is by then.

Similarity is that of vector session KNN (Ludewig and Jannach, 2018): the products of the history, recent ones counting
more and rare ones too, over the square root of how much the neighbour had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members import store
from vitrina.recommendation.members.item_item import nearest, power
from vitrina.recommendation.members.query import Query


@dataclass(frozen=True)
class Options:
    """Of `fit`.

    Attributes:
        neighbours: users whose products are counted.
        sharpness: the power of their similarity.
        rarity: a product that n users had counts n^-rarity in the similarity.
        candidate_power: a candidate that n users had counts n^-candidate_power.
        recency, strength: see `query.Query`.
    """

    neighbours: int = 300
    sharpness: float = 1.0
    rarity: float = 0.5
    candidate_power: float = 0.0
    recency: float = 0.0
    strength: float = 0.0


@dataclass(frozen=True)
class UserKnn:
    """scores = nearest(q · to_users)^sharpness · products.

    Attributes:
        to_users: (products, users) float32 CSR.
        products: (users, products) float32 CSR.
    """

    to_users: sparse.csr_matrix
    products: sparse.csr_matrix
    neighbours: int
    sharpness: float
    query: Query

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32; zeros for an empty history."""
        return np.asarray(self.sparse(batch).toarray(), dtype=np.float32)

    def sparse(self, batch: Sequence[History]) -> sparse.csr_matrix:
        """The same scores: a history leads to few products."""
        alike = nearest(self.query.matrix(batch, self.products.shape[1]) @ self.to_users, self.neighbours)
        alike.data = alike.data**self.sharpness
        return alike @ self.products

    def save(self, folder: Path) -> None:
        """See `store.write`."""
        arrays = {
            f"{name}.{key}": value
            for name, matrix in (("to_users", self.to_users), ("products", self.products))
            for key, value in store.sparse_arrays(matrix).items()
        }
        numbers = {"query": asdict(self.query), "neighbours": self.neighbours, "sharpness": self.sharpness}
        store.write(folder, "user_knn", numbers, arrays)

    @classmethod
    def load(cls, folder: Path) -> UserKnn:
        """See `store.read`."""
        numbers, arrays = store.read(folder)
        to_users, products = (
            store.sparse_matrix(
                {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
            )
            for name in ("to_users", "products")
        )
        query = Query(**numbers["query"])
        return cls(to_users, products, numbers["neighbours"], numbers["sharpness"], query)


load = UserKnn.load


def fit(histories: Histories, options: Options | None = None) -> UserKnn:
    """Nothing is learnt but how many had each product."""
    options = options or Options()
    seen = histories.matrix()
    degrees = np.asarray(seen.sum(0)).ravel()
    sizes = np.asarray(seen.sum(1)).ravel()
    to_users = (power(degrees, -options.rarity) @ seen.T @ power(sizes, -0.5)).tocsr()
    products = (seen @ power(degrees, -options.candidate_power)).tocsr()
    query = Query(options.recency, 0, options.strength)
    return UserKnn(to_users, products, options.neighbours, options.sharpness, query)

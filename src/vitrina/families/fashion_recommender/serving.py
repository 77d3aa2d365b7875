"""Customer → products by the stars they would give, on an exported folder; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vitrina.errors import ArtifactError
from vitrina.families.fashion_recommender.features import (
    Products,
    Ratings,
    Reviews,
    gathered,
    membership,
    product_features,
    user_features,
)
from vitrina.families.fashion_recommender.network import Network
from vitrina.families.layers.recommenders import CHUNK, ShopRecommender
from vitrina.recommendation.events import EVENT_WEIGHTS
from vitrina.recommendation.histories import History
from vitrina.recommendation.ranking import top
from vitrina.recommendation.shelf import Asked, Ranked, Shelf

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.fashion_recommender.known import Known

VECTORS = "vectors.safetensors"
REVIEWS = "reviews.parquet"
INTEREST = 0.5
"""Stars above the mean that a view or a cart speaks for."""

TOGETHER = 4096
"""Products whose features are held at once: 14 MB."""


class AsOf(NamedTuple):
    """A customer as they were known at a moment: the tower's vector of them, what they reviewed, that moment."""

    vector: np.ndarray
    reviewed: np.ndarray
    until: float | None


class FashionPredictor(ShopRecommender):
    """A loaded model. Thread-safe; see `vitrina.recommendation.shelf.Recommender`.

    Attributes:
        ratings: mean and shrinkage of the biases.
        products, reviews: all that the folder knows, as vectors.
    """

    def __init__(self, folder: Path, network: Network, vectors: dict[str, np.ndarray], written: Any) -> None:
        """`written` has `review_id` and `user_id` of every review, in the order of `vectors`."""
        super().__init__(folder)
        self.network = network
        shrinkage = self.settings["shrinkage"]
        self.ratings = Ratings(float(self.settings["mean"]), float(shrinkage["user"]), float(shrinkage["product"]))
        content, photo = (vectors[name].astype(np.float32) for name in ("content", "photo"))
        self.products = Products(content, photo, vectors["has_photo"].astype(bool), vectors["price"])
        self.reviews = Reviews(vectors["review"], vectors["rating"], vectors["product"].astype(np.int64))
        self.times = vectors["time"]
        self.review_places = {name: place for place, name in enumerate(written["review_id"].to_pylist())}
        self._written_by: dict[str, list[int]] = {}
        for place, user in enumerate(written["user_id"].to_pylist()):
            if user is not None:
                self._written_by.setdefault(user, []).append(place)
        self._sides: dict[float | None, np.ndarray] = {None: self._product_sides(None)}

    def rank(self, asked: Sequence[Asked], shelf: Shelf) -> list[Ranked]:
        """The products that each customer would give the most stars, those reviewed already left out."""
        known = [one.request if isinstance(one.request, AsOf) else self._now(one) for one in asked]
        return [self._ranked(one, self._best(one, at, shelf), at) for one, at in zip(asked, known, strict=True)]

    def vectors(self, histories: Sequence[History], users: Sequence[str | None]) -> np.ndarray:
        """(histories, width) float32: the tower's vectors of the customers."""
        pairs = zip(histories, users, strict=True)
        return np.stack([self._now(Asked(user, history)).vector for history, user in pairs])

    def ranked(self, examples: pd.DataFrame, k: int, *, seen: bool) -> list[Ranked]:
        """`k` products for each row, by what was known then; `seen` has no effect: the reviewed are left out."""
        asked = self._asked(examples, k)
        parts = [self.rank(asked[start : start + CHUNK], self.shelf) for start in range(0, len(asked), CHUNK)]
        return [one for part in parts for one in part]

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, width) float32."""
        return np.stack([one.request.vector for one in self._asked(examples, 1)])

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's output, the stars: for the parity report."""
        return self.rate(examples)

    def rate(self, examples: pd.DataFrame, without: Sequence[str] = ()) -> np.ndarray:
        """(rows,) stars that the row's customer would give its product, 1–5; see `told`."""
        from vitrina.families.fashion_recommender.known import Known

        return self.told(Known(self, examples), without)

    def told(self, known: Known, without: Sequence[str] = ()) -> np.ndarray:
        """(rows,) stars of the pairs in `known`.

        Args:
            without: parts taken away from both sides: `text`, `content`, `photo`.
        """
        users, products = known.features("user", without), known.features("product", without)
        return self.network.stars(self.network.side(users, "user"), self.network.side(products, "product"))

    def _asked(self, examples: pd.DataFrame, k: int) -> list[Asked]:
        """The rows as questions; one that carries its history is asked by that alone."""
        histories = self.histories_in(examples)
        users = [user if isinstance(user, str) else None for user in examples["user_id"]]
        plain = [Asked(user, history, k) for user, history in zip(users, histories, strict=True)]
        if "user_history" not in examples:
            return [replace(one, request=self._now(one)) for one in plain]
        from vitrina.families.fashion_recommender.known import Known

        known = Known(self, examples)
        vectors = self.network.side(known.features("user"), "user")
        moments = examples["known_until"] if "known_until" in examples else [None] * len(examples)
        untils = [float(moment) if isinstance(moment, float) and moment == moment else None for moment in moments]
        rows = zip(plain, vectors, untils, strict=True)
        return [replace(one, request=AsOf(vector, one.history.distinct, until)) for one, vector, until in rows]

    def _now(self, asked: Asked) -> AsOf:
        """What the folder knows of the customer, and what happened since: the events it does not know."""
        places = np.array(self._written_by.get(asked.user or "", [])[-self.settings["history"] :], dtype=np.int64)
        later = _since(asked.history, self.times[places])
        mine = self.reviews.at(places).with_more(self._wordless(later))
        rows = membership([np.arange(len(mine.ratings))], len(mine.ratings))
        features = user_features(rows, mine, self.products, self.ratings)
        return AsOf(self.network.side(features, "user")[0], np.unique(mine.products), None)

    def _wordless(self, events: History) -> Reviews:
        """Events as reviews without words: ratings as they are, a purchase five stars, others a little interest."""
        stars = np.clip(2.5 + 2.5 * events.weights / EVENT_WEIGHTS["purchase"], 1, 5)
        mild = np.isin(events.weights, [EVENT_WEIGHTS["view"], EVENT_WEIGHTS["cart"]])
        stars = np.where(mild, self.ratings.mean + INTEREST, stars).astype(np.float32)
        vectors = np.zeros((len(events), self.reviews.vectors.shape[1]), dtype=np.float32)
        return Reviews(vectors, stars, events.items.astype(np.int64))

    def _best(self, asked: Asked, at: AsOf, shelf: Shelf) -> tuple[np.ndarray, np.ndarray]:
        """Places and stars of the best products that may be shown."""
        sides = self._sides_at(at.until)
        places = np.flatnonzero(shelf.allowed(asked.filters))
        users = np.broadcast_to(at.vector, (len(places), len(at.vector)))
        scores = np.full((1, len(sides)), -np.inf, dtype=np.float32)
        scores[0, places] = self.network.stars(users, sides[places])
        excluded = np.concatenate([asked.excluded, at.reviewed[at.reviewed >= 0]]).astype(np.int64)
        best = top(scores, asked.k, excluded=[excluded])[0]
        best = best[best >= 0]
        return best, scores[0, best]

    def _ranked(self, asked: Asked, best: tuple[np.ndarray, np.ndarray], at: AsOf) -> Ranked:
        return Ranked(*best, cold=not len(at.reviewed) and not len(asked.history))

    def _sides_at(self, until: float | None) -> np.ndarray:
        """The tower's vectors of all products by the reviews before `until`; None: by all."""
        if until not in self._sides:
            self._sides[until] = self._product_sides(until)
        return self._sides[until]

    def _product_sides(self, until: float | None) -> np.ndarray:
        known = np.arange(len(self.times)) if until is None else np.flatnonzero(self.times < until)
        order = known[np.argsort(self.reviews.products[known], kind="stable")]
        ends = np.cumsum(np.bincount(self.reviews.products[order], minlength=len(self.shelf)))
        each = [past[-self.settings["history"] :] for past in np.split(order, ends[:-1])]
        parts = []
        for start in range(0, len(each), TOGETHER):
            some = each[start : start + TOGETHER]
            places = np.arange(start, start + len(some))
            features = product_features(places, *gathered(some, self.reviews), self.products, self.ratings)
            parts.append(self.network.side(features, "product"))
        return np.concatenate(parts)


def _since(history: History, known: np.ndarray) -> History:
    """The events at other moments than `known`: what the reviews of the folder do not tell already."""
    fresh = ~np.isin(history.times, known)
    return History(history.items[fresh], history.times[fresh], history.weights[fresh])


def load(folder: Path, weights: str | None = None) -> FashionPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from vitrina.artifacts import read_json

    folder = Path(folder)
    settings = read_json(folder / "labels.json")
    try:
        network = Network(folder, weights, int(settings["max_length"]))
        vectors = load_file(folder / VECTORS)
        return FashionPredictor(folder, network, vectors, pq.ParquetFile(folder / REVIEWS).read())
    except (OSError, SafetensorError, pa.ArrowException) as error:
        raise ArtifactError(f"{folder} cannot be read: {error}.") from error
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder} lacks {error}.") from error

"""Rows with their own histories → what the tower reads: vectors from the model folder where it has them, else made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.families.fashion_recommender.data import histories_of
from vitrina.families.fashion_recommender.features import (
    PRODUCT_NUMBERS,
    USER_NUMBERS,
    Products,
    Reviews,
    bias_baseline,
    membership,
    product_features,
    user_features,
)
from vitrina.families.layers import photos
from vitrina.families.layers.prices import price_features
from vitrina.families.layers.products import product_text, products_of

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.fashion_recommender.serving import FashionPredictor

PARTS = ("text", "content", "photo")
PHOTO_KNOWN = 3
"""Which of the numbers of either side says that a photo is known."""


class Known:
    """The customers, products and reviews of a frame of examples; what the model's folder lacks is embedded."""

    def __init__(self, predictor: FashionPredictor, examples: pd.DataFrame) -> None:
        self._predictor = predictor
        self._examples = examples
        self._told = {side: histories_of(examples, side) for side in ("user", "product")}

    def features(self, side: str, without: Sequence[str] = ()) -> np.ndarray:
        """What the tower reads of a side (`user`, `product`), one row an example; see `features.py`."""
        ratings = self._predictor.ratings
        if side == "user":
            rows = user_features(self.rows("user"), self.reviews, self.products, ratings)
        else:
            rows = product_features(self.places, self.rows("product"), self.reviews, self.products, ratings)
        return self._masked(rows, USER_NUMBERS if side == "user" else PRODUCT_NUMBERS, without)

    def baseline(self) -> np.ndarray:
        """(rows,) stars by mean and biases alone."""
        return bias_baseline(self._predictor.ratings, self.rows("user"), self.rows("product"), self.reviews)

    def rows(self, side: str) -> Any:
        """Which of `reviews` each example's history of a side holds."""
        places = self._review_places
        told = [[places[review["review_id"]] for review in history] for history in self._told[side]]
        return membership(told, len(places))

    @cached_property
    def places(self) -> np.ndarray:
        """(rows,) the place of each example's product in `products`."""
        return np.array([self._product_places[name] for name in self._examples["product_id"]], dtype=np.int64)

    @cached_property
    def _product_places(self) -> dict[str, int]:
        own = self._predictor.shelf.places
        return {**own, **{name: len(own) + number for number, name in enumerate(self._new_products["product_id"])}}

    @cached_property
    def _new_products(self) -> pd.DataFrame:
        """Rows with a product that the folder does not know, one a product."""
        if "product_id" not in self._examples:
            return self._examples.iloc[:0].assign(product_id=None)
        known = self._examples["product_id"].isin(self._predictor.shelf.places.keys())
        return self._examples[~known].drop_duplicates("product_id")

    @cached_property
    def products(self) -> Products:
        """The folder's products, then the new ones."""
        new = self._new_products
        if new.empty:
            return self._predictor.products
        settings, network = self._predictor.settings, self._predictor.network
        listed = products_of(new) if "title" in new else products_of(new.assign(title=""))
        jpegs = new["jpeg"].tolist() if "jpeg" in new else [None] * len(new)
        pixels, has_photo = photos.read_all(jpegs, settings["side"])
        texts = [product_text(product, category=True, description=False) for product in listed]
        prices = price_features(listed, settings["currencies"])
        more = Products(network.texts(texts), network.photos(pixels), has_photo, prices)
        return self._predictor.products.with_more(more)

    @cached_property
    def _all_reviews(self) -> dict[str, Mapping[str, Any]]:
        """The reviews of all histories, once each."""
        return {one["review_id"]: one for told in self._told.values() for history in told for one in history}

    @cached_property
    def _review_places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self._all_reviews)}

    @cached_property
    def reviews(self) -> Reviews:
        """The reviews of all histories, their words embedded where the folder does not know them."""
        said = list(self._all_reviews.values())
        known = self._predictor.review_places
        new = [place for place, one in enumerate(said) if one["review_id"] not in known]
        old = [place for place, one in enumerate(said) if one["review_id"] in known]
        vectors = np.zeros((len(said), self._predictor.reviews.vectors.shape[1]), dtype=np.float32)
        vectors[old] = self._predictor.reviews.vectors[[known[said[place]["review_id"]] for place in old]]
        vectors[new] = self._predictor.network.texts([str(said[place]["text"]) for place in new])
        stars = np.array([one["rating"] for one in said], dtype=np.float32)
        places = [self._product_places.get(one["product_id"], -1) for one in said]
        return Reviews(vectors, stars, np.array(places, dtype=np.int64))

    def _masked(self, features: np.ndarray, numbers: int, without: Sequence[str]) -> np.ndarray:
        """The features without some parts: zeros, as the tower has seen in training."""
        text, photo = self._predictor.products.content.shape[1], self._predictor.products.photo.shape[1]
        starts = dict(zip(PARTS, (numbers, numbers + text, numbers + 2 * text), strict=True))
        widths = dict(zip(PARTS, (text, text, photo), strict=True))
        for part in without:
            features[:, starts[part] : starts[part] + widths[part]] = 0
        if "photo" in without:
            features[:, PHOTO_KNOWN] = 0
        return features

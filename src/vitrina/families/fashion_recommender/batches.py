"""Prepared rows as batches of the network: arrays built once, gathered for each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from vitrina.families.fashion_recommender.data import CONTENT, PRODUCTS, REVIEWS, SPLITS
from vitrina.families.fashion_recommender.features import (
    Products,
    Ratings,
    Reviews,
    gathered,
    product_features,
    user_features,
)
from vitrina.families.layers import photos
from vitrina.families.layers.prices import Currencies, currency_statistics, price_features
from vitrina.families.layers.products import product_text, products_of

HELD_OUT = 10
"""One photo in so many is not learnt from: its category is measured."""

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts → (texts, width) float32 of length 1."""


@dataclass(frozen=True)
class Rows:
    """A split's rows: places of the product, of the reviews in both histories, and the stars."""

    products: np.ndarray
    users_past: list[np.ndarray]
    products_past: list[np.ndarray]
    stars: np.ndarray


@dataclass(frozen=True)
class Store:
    """A prepared folder in memory, its texts embedded.

    Attributes:
        pixels: uint8 (products, 3, side, side); `categories` their class, −100 where unknown.
        held_out: (products,) bool: photos that are not learnt from.
        rows: split → its rows.
    """

    frame: pd.DataFrame
    products: Products
    reviews: Reviews
    times: np.ndarray
    users: np.ndarray
    review_ids: list[str]
    pixels: np.ndarray
    categories: np.ndarray
    labels: list[str]
    held_out: np.ndarray
    currencies: Currencies
    rows: dict[str, Rows]


def read_store(folder: Path, side: int, photo_width: int, embed: Embed, seed: int) -> Store:
    """Read a prepared folder; every text is embedded once. Photo vectors are zero until they are known."""
    frame, said = pd.read_parquet(folder / PRODUCTS), pd.read_parquet(folder / REVIEWS)
    listed = products_of(frame)
    pixels, has_photo = photos.read_all(frame["jpeg"].tolist(), side)
    currencies = currency_statistics(listed)
    texts = [product_text(product, category=True, description=False) for product in listed]
    products = Products(
        embed(texts), np.zeros((len(frame), photo_width), np.float32), has_photo, price_features(listed, currencies)
    )
    places = {name: place for place, name in enumerate(frame["product_id"])}
    reviews = Reviews(
        embed(said["text"].tolist()),
        said["rating"].to_numpy(np.float32),
        said["product_id"].map(places).to_numpy(np.int64),
    )
    labels = sorted(set(frame["category"].dropna())) if "category" in frame else []
    numbers = {label: number for number, label in enumerate(labels)}
    known = [numbers.get(label, -100) for label in frame["category"]] if labels else [-100] * len(frame)
    drawn = np.random.default_rng(seed).random(len(frame)) < 1 / HELD_OUT
    ids = {name: place for place, name in enumerate(said["review_id"])}
    return Store(
        frame=frame[["product_id", *(name for name in CONTENT if name in frame)]],
        products=products,
        reviews=reviews,
        times=said["timestamp"].to_numpy(),
        users=said["user_id"].to_numpy(object),
        review_ids=said["review_id"].tolist(),
        pixels=pixels,
        categories=np.where(has_photo, known, -100),
        labels=labels,
        held_out=drawn,
        currencies=currencies,
        rows={split: _rows(pd.read_parquet(folder / f"{split}.parquet"), places, ids) for split in SPLITS},
    )


def _rows(frame: pd.DataFrame, products: dict[str, int], reviews: dict[str, int]) -> Rows:
    users, listed = (
        [np.array([reviews[name] for name in history], dtype=np.int64) for history in frame[f"{side}_history"]]
        for side in ("user", "product")
    )
    places = frame["product_id"].map(products).to_numpy(np.int64)
    return Rows(places, users, listed, frame["rating"].to_numpy(np.float32))


class PairsAndPhotos(Dataset):
    """Item i: the i-th pair of a split and, beside it, the i-th photo; the shorter of both starts again."""

    def __init__(self, split: str, pairs: int, photo_places: np.ndarray) -> None:
        self.split, self.pairs, self.photos = split, pairs, photo_places

    def __len__(self) -> int:
        return max(self.pairs, len(self.photos))

    def __getitem__(self, i: int) -> dict[str, Any]:
        photo = int(self.photos[i % len(self.photos)]) if len(self.photos) else 0
        return {"split": self.split, "pair": i % self.pairs, "photo": photo}


class Collator:
    """Items of one split → tensors; see `FashionRecommender.forward`."""

    def __init__(self, store: Store, ratings: Ratings) -> None:
        self.store, self.ratings = store, ratings

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        store = self.store
        rows = store.rows[items[0]["split"]]
        pairs = [item["pair"] for item in items]
        users, products = ([past[i] for i in pairs] for past in (rows.users_past, rows.products_past))
        width, places = store.products.photo.shape[1], rows.products[pairs]
        user = user_features(*gathered(users, store.reviews), store.products, self.ratings)
        product = product_features(places, *gathered(products, store.reviews), store.products, self.ratings)
        liked, weights = self._liked(users)
        photo = np.array([item["photo"] for item in items])
        batch = {
            "user": user[:, :-width],
            "product": product[:, :-width],
            "liked": liked,
            "liked_weights": weights,
            "place": places,
            "pixels": store.pixels[photo],
            "category": store.categories[photo],
            "labels": rows.stars[pairs],
        }
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in batch.items()}

    def _liked(self, users: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Places of the products that each customer reviewed, and stars above the mean over the number of reviews."""
        longest = max(1, *(len(past) for past in users))
        liked = np.zeros((len(users), longest), dtype=np.int64)
        weights = np.zeros((len(users), longest), dtype=np.float32)
        for i, past in enumerate(users):
            liked[i, : len(past)] = self.store.reviews.products[past]
            weights[i, : len(past)] = (self.store.reviews.ratings[past] - self.ratings.mean) / max(len(past), 1)
        return liked, weights

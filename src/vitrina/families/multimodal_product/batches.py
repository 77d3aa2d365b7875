"""Training rows of products and reviews: words, facts, photos and labels, and how they become batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.products import Product
from vitrina.families.layers import photos
from vitrina.families.layers.prices import Currencies, price_features
from vitrina.families.layers.product_heads.heads import CATEGORY, PRICE_LEVEL, Head
from vitrina.families.layers.product_heads.targets import label_matrix, texts_of
from vitrina.families.layers.products import products_of
from vitrina.families.multimodal_product.configuration import Options
from vitrina.families.multimodal_product.features import (
    attribute_fact,
    brand_facts,
    category_facts,
    fact_ids,
    word_arrays,
)
from vitrina.text.ngrams import NgramHasher, padded

if TYPE_CHECKING:
    import pandas as pd

PHOTO_LENGTH = 10_000
"""Added to the length of rows with a photo, so that length bucketing keeps them together: others pay no convolution."""


@dataclass(frozen=True)
class Reading:
    """How rows are read: the same in training, calibration and evaluation."""

    options: Options
    heads: Sequence[Head]
    tokenizer: Any
    currencies: Currencies
    hasher: NgramHasher | None


class ProductRows:
    """A map-style dataset.

    Price, category and attributes are labels; in training each is sometimes given as a fact instead, and then not
    asked of that row. Outside training only the brand is given.
    """

    def __init__(self, frame: pd.DataFrame, reading: Reading, *, training: bool) -> None:
        options = reading.options
        self.reading, self.training = reading, training
        self.products = products_of(frame)
        self.texts = texts_of(frame) if "text" in options.modalities else [""] * len(frame)
        images = frame["image"].tolist() if "image" in frame and "photo" in options.modalities else [None] * len(frame)
        self.images = [image if isinstance(image, bytes) and image else None for image in images]
        self.prices = price_features(self.products, reading.currencies)
        self.labels = label_matrix(levelled(frame, self.prices), reading.heads, options.value_separator)
        encoded = reading.tokenizer(self.texts, truncation=True, max_length=options.max_length)["input_ids"]
        self.ids = [ids if text else [] for ids, text in zip(encoded, self.texts, strict=True)]
        self.order = self._order(options.photo_repeats if training else 1)
        self.lengths = [len(self.ids[row]) + PHOTO_LENGTH * (self.images[row] is not None) for row in self.order]

    def _order(self, repeats: int) -> np.ndarray:
        """Row numbers, those with a photo several times; rows in which nothing is left to see are left out."""
        seen = np.array([image is not None for image in self.images], dtype=bool)
        useful = seen | np.array([bool(ids) for ids in self.ids], dtype=bool)
        counts = np.where(seen, repeats, useful.astype(int))
        return np.repeat(np.arange(len(counts)), counts) if self.training else np.arange(len(counts))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(self.order[index])
        facts, price, labels = self._given(row) if self.training else (brand_facts(self.products[row]), False, None)
        options = self.reading.options
        item = {
            "input_ids": self.ids[row],
            "price": self.prices[row] if price else np.zeros(2, dtype=np.float32),
            "metadata_ids": fact_ids(facts, options.metadata_buckets, options.metadata),
            "image": self.pixels(row),
            "labels": self.labels[row] if labels is None else labels,
        }
        if not self.training and self.reading.hasher is not None:
            item["ngram_ids"] = self.reading.hasher(self.texts[row])
        return item

    def pixels(self, row: int) -> np.ndarray | None:
        """uint8 (3, side, side); None without a photo that can be read."""
        image = self.images[row]
        if image is None:
            return None
        found, known = photos.read_all([image], self.reading.options.side)
        return found[0] if known[0] else None

    def _given(self, row: int) -> tuple[list[str], bool, np.ndarray]:
        """Facts given to a training row, whether its price is, and its labels without what is given."""
        product, share = self.products[row], self.reading.options.given
        labels = self.labels[row].copy()
        given: set[str] = set()
        facts = brand_facts(product) if random.random() >= share else []
        if random.random() < share:
            facts += category_facts(product)
            given.add(CATEGORY)
        for name, value in product.attributes.items():
            if random.random() < share:
                facts.append(attribute_fact(name, value))
                given.add(f"attributes.{name}")
        priced = bool(self.prices[row, 1]) and random.random() < share
        given |= {PRICE_LEVEL} if priced else set()
        for head in self.reading.heads:
            if head.name in given:
                labels[head.target_columns] = np.nan
        return facts, priced, labels


def levelled(frame: pd.DataFrame, prices: np.ndarray) -> pd.DataFrame:
    """The rows with `price_level`, the standardised log price, where the price says something."""
    return frame.assign(price_level=np.where(prices[:, 1] > 0, prices[:, 0], np.nan))


def products_and_prices(frame: pd.DataFrame, currencies: Currencies) -> tuple[list[Product], np.ndarray]:
    """The products of rows, and their `price_features`."""
    products = products_of(frame)
    return products, price_features(products, currencies)


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch as `MultimodalProduct.forward` takes it; `pixels` of the rows that are `seen`, none where none is."""
    import torch

    batch = word_arrays([row["input_ids"] for row in rows])
    batch["price"] = np.stack([row["price"] for row in rows])
    batch["metadata_ids"] = padded([row["metadata_ids"] for row in rows])
    batch["labels"] = np.stack([row["labels"] for row in rows])
    if "ngram_ids" in rows[0]:
        batch["ngram_ids"] = padded([row["ngram_ids"] for row in rows])
    pixels = [row["image"] for row in rows if row["image"] is not None]
    if pixels:
        batch["pixels"] = np.stack(pixels)
        batch["seen"] = np.array([row["image"] is not None for row in rows], dtype=np.float32)
    return {name: torch.from_numpy(values) for name, values in batch.items()}

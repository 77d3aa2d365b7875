"""A loaded model: products, each with whatever is known of it, → predictions, estimates and vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from vitrina.contracts.multimodal import PriceEstimate
from vitrina.contracts.products import Product
from vitrina.families.layers import photos
from vitrina.families.layers.prices import UNSTATED, Currencies, price_features, price_is_known
from vitrina.families.layers.product_heads.answers import ProductPrediction
from vitrina.families.layers.product_heads.heads import CATEGORY, PRICE_LEVEL
from vitrina.families.layers.product_heads.predictor import HeadsPredictor
from vitrina.families.layers.product_heads.targets import texts_of
from vitrina.families.layers.products import products_of
from vitrina.families.multimodal_product.features import (
    attribute_fact,
    brand_facts,
    category_facts,
    text_of,
)
from vitrina.families.multimodal_product.network import Network, Seen

if TYPE_CHECKING:
    import pandas as pd

VIEWS = ("text", "photo", "both")


class MultimodalPrediction(msgspec.Struct, frozen=True, gc=False):
    """One analysed product; `label` and `confidence` are those of its category, for metrics and log."""

    product: ProductPrediction
    price: PriceEstimate | None
    modalities: list[str]
    embedding: list[float] | None

    @property
    def label(self) -> str:
        return self.product.label


class MultimodalPredictor(HeadsPredictor):
    """Thread-safe; every call may hold any number of products.

    Logits are divided by the temperature of what a row was seen by (text, photo or both) as soon as they are there, so
    that confidences are calibrated for each; `threshold` is the strictest of the three.
    """

    def __init__(self, network: Network, settings: Mapping[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see the family's README."""
        views: dict[str, dict[str, dict[str, float]]] = settings["views"]
        names = [each["name"] for each in settings["heads"]]
        thresholds = {name: max(view[name]["threshold"] for view in views.values()) for name in names}
        super().__init__(settings, dict.fromkeys(names, 1.0), thresholds)
        self.network = network
        self.currencies: Currencies = {name: (mean, spread) for name, (mean, spread) in settings["currencies"].items()}
        columns = sum(head.width for head in self.heads)
        self._scale = np.ones((len(VIEWS), columns), dtype=np.float32)
        for place, view in enumerate(VIEWS):
            for head in self.heads:
                self._scale[place, head.columns] = views.get(view, {}).get(head.name, {"temperature": 1.0})[
                    "temperature"
                ]

    def seen(self, texts: Sequence[str], images: Sequence[np.ndarray | None], products: Sequence[Product]) -> Seen:
        """Rows as they are seen before anything else is told: text, photo, brand."""
        photo, known = self.network.look(images)
        read = list(texts) if self.network.reads_text else [""] * len(texts)
        prices = np.zeros((len(texts), 2), dtype=np.float32)
        return Seen(read, photo, known, prices, [brand_facts(product) for product in products])

    def logits(self, rows: Seen) -> np.ndarray:
        """(rows, columns) with the temperatures of their views already in them."""
        return self._tempered(rows, self.network.run(rows)[0])

    def _tempered(self, rows: Seen, logits: np.ndarray) -> np.ndarray:
        written = np.array([bool(text) for text in rows.texts], dtype=bool)
        return logits / self._scale[np.where(rows.seen > 0, 1 + written, 0)]

    def predict(
        self,
        products: Sequence[Product],
        images: Sequence[np.ndarray | None],
        reviews: Sequence[str | None],
        wanted: Sequence[bool],
    ) -> list[MultimodalPrediction]:
        """One prediction per product, in order; `wanted`: whose vector is asked for."""
        rows = self.seen([text_of(product) for product in products], images, products)
        first = self.logits(rows)
        logits = self._informed(rows, first, products)
        answers, quality = self.answers(logits), self.quality(logits, products)
        feelings = self._feelings(reviews)
        vectors = self._vectors_of(rows, np.flatnonzero(wanted))
        return [
            MultimodalPrediction(
                product=self.prediction(row, product, answers, float(quality[row]), feelings.get(row)),
                price=self._estimate(first[row], product),
                modalities=self._used(rows, row, product),
                embedding=vectors.get(row),
            )
            for row, product in enumerate(products)
        ]

    def _informed(self, rows: Seen, first: np.ndarray, products: Sequence[Product]) -> np.ndarray:
        """The logits of heads that are asked, now with the price, category and attributes that are stated.

        What is stated itself is answered from the first look: it was never both given and asked in training.
        """
        stated = [self._stated(product) for product in products]
        told = np.array([row for row, heads in enumerate(stated) if heads], dtype=np.int64)
        if not len(told):
            return first
        prices = price_features([products[row] for row in told], self.currencies)
        some = rows.take(told)._replace(prices=prices, facts=[_facts(products[row]) for row in told])
        logits = first.copy()
        logits[told] = self.logits(some)
        for row in told:
            for name in stated[row] & self._head.keys():
                logits[row, self._head[name].columns] = first[row, self._head[name].columns]
        return logits

    def _stated(self, product: Product) -> set[str]:
        names = {f"attributes.{name}" for name in product.attributes}
        names |= {CATEGORY} if product.category else set()
        return names | ({PRICE_LEVEL} if price_is_known(product, self.currencies) else set())

    def _used(self, rows: Seen, row: int, product: Product) -> list[str]:
        """The modalities that had a say."""
        stated = self._stated(product)
        used = {
            "text": bool(rows.texts[row]),
            "photo": bool(rows.seen[row]),
            "price": PRICE_LEVEL in stated,
            "metadata": bool(product.brand or stated - {PRICE_LEVEL}),
        }
        return [name for name, yes in used.items() if yes]

    def _feelings(self, reviews: Sequence[str | None]) -> dict[int, np.ndarray]:
        """Row → the logits of its review, where it has one that a head reads."""
        rows = [row for row, review in enumerate(reviews) if review]
        if not rows or not self.reads_reviews:
            return {}
        texts = [str(reviews[row]) for row in rows]
        said = self.logits(self.seen(texts, [None] * len(rows), [Product("")] * len(rows)))
        return dict(zip(rows, said, strict=True))

    def _vectors_of(self, rows: Seen, some: np.ndarray) -> dict[int, list[float]]:
        if not len(some):
            return {}
        return dict(zip(some.tolist(), self.vectors(rows.take(some)).tolist(), strict=True))

    def vectors(self, rows: Seen) -> np.ndarray:
        """(rows, width) float32 of unit length: the sum of the vectors by text alone and by photo alone.

        Both lie in one space, so a query of words finds photos, and a photo finds words; a row with neither is zero.
        """
        total = np.zeros((len(rows.texts), self.network.width), dtype=np.float32)
        written = np.array([bool(text) for text in rows.texts], dtype=bool)
        for has, part in ((written, rows.by_text()), (rows.seen > 0, rows.by_photo())):
            found = np.flatnonzero(has)
            if len(found):
                total[found] += self.network.run(part.take(found))[1]
        return total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-9)

    def _estimate(self, logits: np.ndarray, product: Product) -> PriceEstimate | None:
        head = self._head.get(PRICE_LEVEL)
        if head is None or not self.currencies:
            return None
        own = product.currency or UNSTATED
        currency = own if own in self.currencies else next(iter(self.currencies))
        mean, spread = self.currencies[currency]
        amount = math.exp(mean + spread * float(logits[head.start]))
        stated = product.price if own == currency else None
        return PriceEstimate(round(amount, 2), currency or None, round(stated / amount, 3) if stated else None)

    def look_at(self, examples: pd.DataFrame) -> Seen:
        """The rows of a frame as they are seen: text, photo (`image`), brand; never price, category or attributes."""
        images: list[np.ndarray | None] = [None] * len(examples)
        if "image" in examples:
            pixels, known = photos.read_all(examples["image"].tolist(), self.network.side)
            images = [pixels[row] if known[row] else None for row in range(len(pixels))]
        return self.seen(texts_of(examples), images, products_of(examples))

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the columns of the prediction log; see `HeadsPredictor.frame`; and `price_estimate`."""
        rows, products = self.look_at(examples), products_of(examples)
        logits = self.logits(rows)
        frame = self.frame(examples, logits, rows.seen > 0)
        estimates = [self._estimate(each, product) for each, product in zip(logits, products, strict=True)]
        amounts = [estimate.amount if estimate else np.nan for estimate in estimates]
        views = [view_of(bool(text), bool(photo)) for text, photo in zip(rows.texts, rows.seen, strict=True)]
        return frame.assign(modalities=views, price_estimate=np.array(amounts, dtype=float))

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, width) float32; see `vectors`."""
        return self.vectors(self.look_at(examples))

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's first output, before temperatures: for the parity report."""
        return self.network.run(self.look_at(examples))[0]


def view_of(text: bool, photo: bool) -> str:
    """What a row was seen by, as the prediction log says it: text, photo or text+photo."""
    return "+".join(name for name, yes in (("text", text), ("photo", photo)) if yes)


def _facts(product: Product) -> list[str]:
    facts = [*brand_facts(product), *category_facts(product)]
    return facts + [attribute_fact(name, value) for name, value in product.attributes.items()]

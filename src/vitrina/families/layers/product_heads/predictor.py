"""What a loaded model with product heads says: predictions, frames of the prediction log; NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.products import Product
from vitrina.families.layers.product_heads import listing
from vitrina.families.layers.product_heads.answers import (
    HeadAnswer,
    ProductPrediction,
    attributes_of,
    category_of,
    sentiment_of,
)
from vitrina.families.layers.product_heads.heads import (
    CATEGORY,
    QUALITY,
    RATING,
    RECOMMENDED,
    Head,
    Levels,
    lay_out,
    sigmoid,
    stars,
)
from vitrina.families.layers.product_heads.targets import texts_of
from vitrina.families.layers.products import product_text, products_of
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd


class HeadsPredictor:
    """Turns logits of the heads into predictions; a family adds how the logits come about."""

    def __init__(
        self, settings: Mapping[str, Any], temperature: Mapping[str, float], threshold: Mapping[str, float]
    ) -> None:
        """`settings` has `heads`, `value_separator` and `quality`; temperature and threshold are of each head."""
        self.heads: list[Head] = lay_out(settings["heads"])
        self.separator: str = settings["value_separator"]
        self._temperature, self._threshold = dict(temperature), dict(threshold)
        self._quality: dict[str, float] | None = settings["quality"]
        self._head = {head.name: head for head in self.heads}
        self._levels = Levels(self._head[CATEGORY].labels, PATH_SEPARATOR) if CATEGORY in self._head else None
        self._attributes = {head.attribute: head.labels for head in self.heads if head.attribute is not None}

    def threshold(self, head: str) -> float:
        """The confidence below which a person should look at what `head` says."""
        return self._threshold[head]

    @property
    def reads_reviews(self) -> bool:
        """Whether a head says what reviewers think."""
        return bool({RECOMMENDED, RATING} & self._head.keys())

    def prediction(
        self, row: int, product: Product, answers: dict[str, HeadAnswer], quality: float, logits: np.ndarray | None
    ) -> ProductPrediction:
        """One row of a batch, with its quality and the logits of its review."""
        language = language_of(product)
        category, levels, confidence = category_of(answers.get(CATEGORY), row)
        attributes = attributes_of(self.heads, answers, row)
        doubtful = [bool(answers[name].needs_review[row]) for name in self._decisive(answers)]
        return ProductPrediction(
            label=category or "",
            confidence=confidence,
            levels=levels,
            attributes=attributes,
            quality=quality,
            suggestions=listing.suggestions(product, language, self._attributes),
            sentiment=sentiment_of(self._head, self._temperature, logits),
            needs_review=any(doubtful),
            language=language,
        )

    def _decisive(self, answers: dict[str, HeadAnswer]) -> list[str]:
        """Whose doubt sends a product to a person: the category, or every attribute where there is no category."""
        return [CATEGORY] if CATEGORY in answers else list(answers)

    def answers(self, logits: np.ndarray) -> dict[str, HeadAnswer]:
        """What each head of labels says of each row, with its calibrated confidence; (rows, columns) → by name."""
        found = {}
        for head in self.heads:
            if head.kind not in ("one", "many"):
                continue
            part, temperature = logits[:, head.columns], self._temperature[head.name]
            levels = self._levels if head.name == CATEGORY else None
            found[head.name] = HeadAnswer.of(head, part, temperature, self._threshold[head.name], levels)
        return found

    def quality(self, logits: np.ndarray, products: Sequence[Product]) -> np.ndarray:
        """(rows,) 0–1: calibrated on ratings where the model learned them, else the listing score."""
        listed = np.array([listing.score(product) for product in products])
        if self._quality is None or QUALITY not in self._head:
            return listed
        weights = self._quality
        combined = weights["logit"] * logits[:, self._head[QUALITY].start] + weights["listing"] * listed
        return sigmoid(combined + weights["offset"])

    def frame(self, examples: pd.DataFrame, logits: np.ndarray, seen: np.ndarray | None = None) -> pd.DataFrame:
        """Predictions in the columns of the prediction log, with `rating` and `recommended`, and a column for every
        attribute; same index as `examples`. A row with neither title nor photo (`seen`) is a review: its product
        columns are empty."""
        import pandas as pd

        products, texts = products_of(examples), texts_of(examples)
        answers = self.answers(logits)
        named = np.array([bool(product.title) for product in products])
        named |= False if seen is None else seen
        doubt = np.zeros(len(products), dtype=bool)
        for name in self._decisive(answers):
            doubt |= answers[name].needs_review
        known: dict[str, Any] = {
            name: [getattr(product, name) for product in products]
            for name in ("title", "description", "brand", "category", "price", "currency")
        }
        known["language"] = [language_of(product, text) for product, text in zip(products, texts, strict=True)]
        known["length"] = [len(text) for text in texts]
        known |= _label_columns(answers.get(CATEGORY), named)
        known["needs_review"] = doubt & named
        known["quality"] = np.where(named, self.quality(logits, products), np.nan)
        for head in self.heads:
            known |= self._columns_of(head, answers, logits, named, examples)
        return pd.DataFrame(known, index=examples.index).astype({"price": float})

    def _columns_of(
        self,
        head: Head,
        answers: dict[str, HeadAnswer],
        logits: np.ndarray,
        named: np.ndarray,
        examples: pd.DataFrame,
    ) -> dict[str, Any]:
        """The columns of one head other than category and quality."""
        if head.attribute is not None:
            answer = answers[head.name]
            values = [self.separator.join(answer.labels(row)) if named[row] else None for row in range(len(named))]
            return {
                head.name: values,
                f"{head.name}.confidence": answer.confidence,
                f"{head.name}.needs_review": answer.needs_review,
            }
        if head.name == RATING:
            return {RATING: np.where(named, np.nan, stars(logits[:, head.columns]))}
        if head.name == RECOMMENDED:
            scaled = logits[:, head.start] / self._temperature[head.name]
            return {RECOMMENDED: np.where(named, np.nan, sigmoid(scaled))}
        return {}


def _label_columns(answer: HeadAnswer | None, named: np.ndarray) -> dict[str, Any]:
    """`label` and `confidence` of the category; empty for reviews and where the model knows no category."""
    if answer is None:
        return {"label": [""] * len(named), "confidence": np.where(named, 1.0, np.nan)}
    labels = [answer.labels(row)[0] if named[row] else "" for row in range(len(named))]
    return {"label": labels, "confidence": np.where(named, answer.confidence, np.nan)}


def language_of(product: Product, text: str | None = None) -> str:
    """The product's language as stated, else as its words tell."""
    if product.language and product.language != UNDETERMINED:
        return product.language
    return detect_language(text or product_text(product, attributes=False))

"""Product → category, attributes, quality and suggestions on an exported folder; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.product_classification import (
    ProductClassification,
    ProductClassifyRequest,
    ProductRecord,
)
from vitrina.contracts.products import Product
from vitrina.errors import ArtifactError
from vitrina.families.layers.onnx_text import OnnxText, load_session, load_tokenizer
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
from vitrina.families.layers.products import DESCRIPTION_CHARACTERS, product_text, products_of
from vitrina.text.language import detect_language
from vitrina.text.ngrams import NgramHasher

if TYPE_CHECKING:
    import pandas as pd


class ProductPredictor:
    """A loaded model. Thread-safe; every call may hold any number of products."""

    def __init__(self, model: OnnxText, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see the family's README."""
        self._model = model
        self.heads: list[Head] = lay_out(settings["heads"])
        self.separator: str = settings["value_separator"]
        self._temperature = {each["name"]: float(each["temperature"]) for each in settings["heads"]}
        self._threshold = {each["name"]: float(each["threshold"]) for each in settings["heads"]}
        self._quality: dict[str, float] | None = settings["quality"]
        self._head = {head.name: head for head in self.heads}
        self._levels = Levels(self._head[CATEGORY].labels, PATH_SEPARATOR) if CATEGORY in self._head else None
        self._attributes = {head.attribute: head.labels for head in self.heads if head.attribute is not None}

    def threshold(self, head: str) -> float:
        """The confidence below which a person should look at what `head` says."""
        return self._threshold[head]

    def predict(self, products: Sequence[Product], reviews: Sequence[str | None]) -> list[ProductPrediction]:
        """One prediction per product and its review (None: there is none), in order."""
        logits = self._model.outputs([self._text(product) for product in products], ["logits"])[0]
        answers = self.answers(logits)
        spoken = [row for row, review in enumerate(reviews) if review]
        feelings = dict(zip(spoken, self._feelings([str(reviews[row]) for row in spoken]), strict=True))
        quality = self.quality(logits, products)
        return [
            self._prediction(row, product, answers, float(quality[row]), feelings.get(row))
            for row, product in enumerate(products)
        ]

    def _prediction(
        self, row: int, product: Product, answers: dict[str, HeadAnswer], quality: float, logits: np.ndarray | None
    ) -> ProductPrediction:
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

    def _feelings(self, reviews: list[str]) -> list[np.ndarray]:
        """The logits of each review, where the model has a head that reads them."""
        if not reviews or not {RECOMMENDED, RATING} & self._head.keys():
            return [None] * len(reviews)  # type: ignore[list-item]
        return list(self._model.chunked(reviews, ["logits"])[0])

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the columns of the prediction log, with `rating` and `recommended`, and a column for every
        attribute; same index as `examples`. A row without a title is a review: its product columns are empty."""
        import pandas as pd

        products, texts = products_of(examples), texts_of(examples)
        logits = self._logits(texts)
        answers = self.answers(logits)
        named = np.array([bool(product.title) for product in products])
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

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, width) float32, L2-normalised."""
        return self._model.chunked(texts_of(examples), ["embedding"])[0]

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's first output, the logits of all heads: for the parity report."""
        return self._logits(texts_of(examples))

    def _logits(self, texts: Sequence[str]) -> np.ndarray:
        return self._model.chunked(texts, ["logits"])[0]

    def _text(self, product: Product) -> str:
        return product_text(product, attributes=False)


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


def load(folder: Path, weights: str | None = None) -> ProductPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    folder = Path(folder)
    session = load_session(folder, weights)
    settings = read_json(folder / "labels.json")
    try:
        lexical = settings["lexical"]
        hasher = NgramHasher(lexical["buckets"], tuple(lexical["sizes"]), lexical["limit"]) if lexical else None
        tokenizer = load_tokenizer(folder, int(settings["max_length"]))
        return ProductPredictor(OnnxText(session, tokenizer, hasher), settings)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error


def classify(predictor: ProductPredictor, requests: Sequence[ProductClassifyRequest]) -> list[ProductPrediction]:
    """Run a batch of requests."""
    return predictor.predict(requests, [request.review for request in requests])


def answer(prediction: ProductPrediction, model: str, version: str, request_id: str) -> ProductClassification:
    """The body that `POST /ai/classify` answers."""
    return ProductClassification(
        category=prediction.label or None,
        levels=prediction.levels,
        attributes=prediction.attributes,
        quality=prediction.quality,
        suggestions=prediction.suggestions,
        sentiment=prediction.sentiment,
        needs_review=prediction.needs_review,
        model=model,
        version=version,
        request_id=request_id,
    )


def record(
    request: ProductClassifyRequest, prediction: ProductPrediction, model: str, version: str, request_id: str
) -> ProductRecord:
    """The line of the prediction log; of a long description or review, the part that a model can read."""
    return ProductRecord(
        request_id=request_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        title=request.title,
        description=request.description and request.description[:DESCRIPTION_CHARACTERS],
        brand=request.brand,
        category=request.category,
        price=request.price,
        currency=request.currency,
        language=prediction.language,
        review=request.review and request.review[:DESCRIPTION_CHARACTERS],
        length=len(product_text(request, attributes=False)),
        label=prediction.label,
        confidence=prediction.confidence,
        needs_review=prediction.needs_review,
        quality=prediction.quality,
    )

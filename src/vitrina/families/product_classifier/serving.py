"""Product → category, attributes, quality and suggestions on an exported folder; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.product_classification import (
    ProductClassification,
    ProductClassifyRequest,
    ProductRecord,
)
from vitrina.contracts.products import Product
from vitrina.errors import ArtifactError
from vitrina.families.layers.onnx_text import OnnxText, load_session, load_tokenizer
from vitrina.families.layers.product_heads.answers import ProductPrediction
from vitrina.families.layers.product_heads.predictor import HeadsPredictor
from vitrina.families.layers.product_heads.targets import texts_of
from vitrina.families.layers.products import DESCRIPTION_CHARACTERS, product_text
from vitrina.text.ngrams import NgramHasher

if TYPE_CHECKING:
    import pandas as pd


class ProductPredictor(HeadsPredictor):
    """A loaded model. Thread-safe; every call may hold any number of products."""

    def __init__(self, model: OnnxText, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see the family's README."""
        heads = settings["heads"]
        temperature, threshold = (
            {each["name"]: float(each[name]) for each in heads} for name in ("temperature", "threshold")
        )
        super().__init__(settings, temperature, threshold)
        self._model = model

    def predict(self, products: Sequence[Product], reviews: Sequence[str | None]) -> list[ProductPrediction]:
        """One prediction per product and its review (None: there is none), in order."""
        logits = self._model.outputs([self._text(product) for product in products], ["logits"])[0]
        answers = self.answers(logits)
        spoken = [row for row, review in enumerate(reviews) if review]
        feelings = dict(zip(spoken, self._feelings([str(reviews[row]) for row in spoken]), strict=True))
        quality = self.quality(logits, products)
        return [
            self.prediction(row, product, answers, float(quality[row]), feelings.get(row))
            for row, product in enumerate(products)
        ]

    def _feelings(self, reviews: list[str]) -> list[np.ndarray]:
        """The logits of each review, where the model has a head that reads them."""
        if not reviews or not self.reads_reviews:
            return [None] * len(reviews)  # type: ignore[list-item]
        return list(self._model.chunked(reviews, ["logits"])[0])

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """See `HeadsPredictor.frame`."""
        return self.frame(examples, self._logits(texts_of(examples)))

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

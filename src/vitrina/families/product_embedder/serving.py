"""Product → vector on an exported folder: tokenizers, ONNX Runtime and NumPy; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.http import Refusal
from vitrina.contracts.product_embeddings import Embedding, EmbeddingRecord, Embeddings, EmbeddingsRequest
from vitrina.contracts.products import Product
from vitrina.errors import ArtifactError, UsageError
from vitrina.families.layers.onnx_text import OnnxText, load_session, load_tokenizer, softmax
from vitrina.families.layers.prices import Currencies, price_features, price_is_known
from vitrina.families.layers.products import products_of
from vitrina.families.product_embedder.features import category_features, text_of
from vitrina.text.language import detect_language
from vitrina.text.ngrams import NgramHasher

if TYPE_CHECKING:
    import pandas as pd

CENTRES = "centres.safetensors"
SHARPNESS = 20.0
"""Cosines are this many logits; the temperature of `labels.json` corrects it."""

NO_CATEGORY = "unknown"
"""The label where the model was trained without categories."""


class EmbeddedProduct(msgspec.Struct, frozen=True, gc=False):
    """One product's vector, (dimension,) float32 of length 1, and the category whose products lie nearest."""

    vector: np.ndarray
    label: str
    confidence: float
    price_used: bool


class EmbedderPredictor:
    """A loaded model. Thread-safe; every call may hold any number of products.

    Attributes:
        dimensions: lengths at which a vector may be cut (see `cut`); the first is the whole vector.
    """

    def __init__(self, model: OnnxText, settings: dict[str, Any], centres: np.ndarray) -> None:
        """`settings` is the content of `labels.json`, `centres` are (labels, dimension) unit vectors."""
        self._model = model
        self._centres = centres
        self._buckets = int(settings["category_buckets"])
        self._temperature = float(settings["temperature"])
        self.labels: list[str] = settings["labels"]
        self.dimensions = tuple(int(size) for size in settings["dimensions"])
        self.currencies: Currencies = {name: (mean, spread) for name, (mean, spread) in settings["currencies"].items()}

    @property
    def dimension(self) -> int:
        """Length of a whole vector."""
        return self.dimensions[0]

    def embed_products(self, products: Sequence[Product]) -> np.ndarray:
        """(products, dimension) float32, L2-normalised; a product needs no more than a title."""
        features = {
            "price": price_features(products, self.currencies),
            "category_ids": category_features(products, self._buckets),
        }
        if not products:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self._model.chunked([text_of(product) for product in products], ["embedding"], features)[0]

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, dimension): search queries lie in the space of the products, as products with only a title."""
        return self.embed_products([Product(text) for text in texts])

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, dimension) float32, L2-normalised."""
        return self.embed_products(products_of(examples))

    def cut(self, vectors: np.ndarray, size: int) -> np.ndarray:
        """The first `size` numbers of each vector, L2-normalised again.

        Raises:
            UsageError: when the model was not trained for vectors of that length.
        """
        if size not in self.dimensions:
            known = ", ".join(str(each) for each in self.dimensions)
            raise UsageError(f"Vectors of {size} dimensions are not offered; there are {known}.")
        if size == self.dimension:
            return vectors
        shorter = vectors[:, :size]
        return shorter / np.maximum(np.linalg.norm(shorter, axis=1, keepdims=True), 1e-12)

    def nearest_categories(self, vectors: np.ndarray) -> tuple[list[str], np.ndarray]:
        """The category in whose middle each vector lies, and how sure that is, (rows,) 0–1."""
        if not self.labels:
            return [NO_CATEGORY] * len(vectors), np.zeros(len(vectors))
        probabilities = softmax(SHARPNESS * vectors @ self._centres.T, self._temperature)
        return [self.labels[i] for i in probabilities.argmax(1)], probabilities.max(1)

    def predict(self, products: Sequence[Product]) -> list[EmbeddedProduct]:
        """One prediction per product, in order."""
        return self.described(products, self.embed_products(products))

    def described(self, products: Sequence[Product], vectors: np.ndarray) -> list[EmbeddedProduct]:
        """The predictions for products whose vectors are known."""
        labels, confidence = self.nearest_categories(vectors)
        used = [price_is_known(product, self.currencies) for product in products]
        return [EmbeddedProduct(*each) for each in zip(vectors, labels, confidence.tolist(), used, strict=True)]

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the columns of the prediction log; same index as `examples`."""
        import pandas as pd

        products = products_of(examples)
        labels, confidence = self.nearest_categories(self.embed_products(products))
        rows = [_logged(product) for product in products]
        return pd.DataFrame(rows, index=examples.index, columns=list(LOGGED)).assign(
            label=labels, confidence=confidence
        )

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's output, the vectors: for the parity report."""
        return self.embed(examples)


LOGGED = ("title", "description", "brand", "category", "price", "currency", "attributes", "language", "length")


def _logged(product: Product) -> dict[str, Any]:
    """What the prediction log keeps of a product; `length` is in characters of title and description."""
    description = product.description or ""
    language = product.language
    return {
        "title": product.title,
        "description": product.description,
        "brand": product.brand,
        "category": product.category,
        "price": product.price,
        "currency": product.currency or "",
        "attributes": product.attributes,
        "language": language if language and language != UNDETERMINED else detect_language(product.title),
        "length": len(product.title) + len(description),
    }


def load(folder: Path, weights: str | None = None) -> EmbedderPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    session = load_session(folder, weights)
    settings = read_json(folder / "labels.json")
    try:
        centres = load_file(folder / CENTRES)["centres"]
        tokenizer = load_tokenizer(folder, int(settings["max_length"]))
        hasher = NgramHasher(settings["ngrams"]["buckets"], limit=settings["ngrams"]["limit"])
        return EmbedderPredictor(OnnxText(session, tokenizer, hasher), settings, centres)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder / CENTRES} cannot be read: {error}.") from error
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error


class EmbeddedRequest(msgspec.Struct, frozen=True, gc=False):
    """The products of one request, in its order, cut to the dimensions it asked for."""

    products: list[EmbeddedProduct]
    product_ids: list[str | None]
    dimensions: int


def embed(predictor: EmbedderPredictor, requests: Sequence[EmbeddingsRequest]) -> list[EmbeddedRequest | Refusal]:
    """Run a batch of requests; one that asks for other dimensions than the model has is refused."""
    known = iter(predictor.predict([product for request in requests for product in request.all()]))
    return [_cut(predictor, request, [next(known) for _ in request.all()]) for request in requests]


def _cut(
    predictor: EmbedderPredictor, request: EmbeddingsRequest, products: list[EmbeddedProduct]
) -> EmbeddedRequest | Refusal:
    size = request.dimensions or predictor.dimension
    try:
        vectors = predictor.cut(np.stack([product.vector for product in products]), size)
    except UsageError as error:
        return Refusal(422, str(error), [{"loc": ["body", "dimensions"], "msg": str(error), "type": "unknown"}])
    shown = [msgspec.structs.replace(each, vector=vector) for each, vector in zip(products, vectors, strict=True)]
    return EmbeddedRequest(shown, [product.product_id for product in request.all()], size)


def answer(prediction: EmbeddedRequest, model: str, version: str, request_id: str) -> Embeddings:
    """The body that `POST /ai/embeddings` answers."""
    embeddings = [
        Embedding(
            embedding=each.vector.tolist(),
            category=each.label,
            confidence=each.confidence,
            price_used=each.price_used,
            product_id=product_id,
        )
        for each, product_id in zip(prediction.products, prediction.product_ids, strict=True)
    ]
    return Embeddings(embeddings, prediction.dimensions, model, version, request_id)


def record(
    request: EmbeddingsRequest, prediction: EmbeddedRequest, model: str, version: str, request_id: str
) -> EmbeddingRecord:
    """The line of the prediction log of a request: its first product."""
    return product_record(request.all()[0], prediction.products[0], model, version, request_id)


def product_record(
    product: Product, prediction: EmbeddedProduct, model: str, version: str, request_id: str
) -> EmbeddingRecord:
    """The line of the prediction log of one product."""
    return EmbeddingRecord(
        request_id=request_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        label=prediction.label,
        confidence=prediction.confidence,
        **_logged(product),
    )

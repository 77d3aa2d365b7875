"""Pairs of products → probability of being the same: tokenizers, ONNX Runtime, NumPy, rapidfuzz; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.products import Product
from vitrina.errors import ArtifactError
from vitrina.families.layers.onnx_text import OnnxText, load_session, load_tokenizer
from vitrina.families.product_reranker.reading import Idf, Pair, read_frame, read_pairs
from vitrina.families.product_reranker.serialisation import side
from vitrina.families.product_reranker.similarity import SIMILARITIES, similarities
from vitrina.families.product_reranker.trees import Trees

if TYPE_CHECKING:
    import pandas as pd

LABELS = "labels.json"
IDF = "idf.safetensors"


class RerankPredictor:
    """A loaded model. Thread-safe; every call may hold any number of pairs."""

    def __init__(self, model: OnnxText, trees: Trees, idf: Idf, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see README.md."""
        self._model = model
        self._trees = trees
        self._idf = idf
        self.labels: list[str] = settings["labels"]
        self.threshold = float(settings["threshold"])
        self._slopes, self._offset = np.asarray(settings["slopes"], dtype=float), float(settings["offset"])
        self._description_words = int(settings["description_words"])

    def score_pairs(self, pairs: Sequence[tuple[Product, Product]]) -> np.ndarray:
        """Calibrated probability that both products of each pair are the same, (pairs,) float64."""
        left, right = zip(*pairs, strict=True) if pairs else ((), ())
        return self._probabilities(read_pairs(left, right))

    def rerank(self, query: str | Product, products: Sequence[Product]) -> list[tuple[int, float]]:
        """The positions of `products` with their probabilities, best first; a text counts as a title."""
        wanted = Product(title=query) if isinstance(query, str) else query
        scores = self.score_pairs([(wanted, product) for product in products])
        order = np.argsort(-scores, kind="stable")
        return [(int(position), float(scores[position])) for position in order]

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """`left_title`, `right_title`, `length`, `score`, `label`, `confidence`; same index as `examples`."""
        import pandas as pd

        pairs = read_frame(examples)
        titles = [(left.product.title, right.product.title) for left, right in pairs]
        scores = self._probabilities(pairs)
        same = scores >= self.threshold
        return pd.DataFrame(
            {
                "left_title": [left for left, _ in titles],
                "right_title": [right for _, right in titles],
                "length": [len(left) + len(right) for left, right in titles],
                "score": scores,
                "label": [self.labels[int(each)] for each in same],
                "confidence": np.where(same, scores, 1 - scores),
            },
            index=examples.index,
        )

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """One vector a pair, (rows, width) float32, L2-normalised: what the pair is about."""
        pairs = read_frame(examples)
        return self._run(pairs, "embedding", similarities(pairs, self._idf))

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's first output, the logits: for the parity report."""
        pairs = read_frame(examples)
        return self._run(pairs, "logits", similarities(pairs, self._idf))

    def _probabilities(self, pairs: list[Pair]) -> np.ndarray:
        if not pairs:
            return np.zeros(0)
        table = similarities(pairs, self._idf)
        judged = np.column_stack([self._run(pairs, "logits", table), self._trees.logits(table)])
        return sigmoid(judged @ self._slopes + self._offset)

    def _run(self, pairs: list[Pair], output: str, table: np.ndarray) -> np.ndarray:
        texts = {id(each): side(each, self._idf, self._description_words) for pair in pairs for each in pair}
        sides = [(texts[id(left)], texts[id(right)]) for left, right in pairs]
        return self._model.chunked(sides, [output], {"similarities": table})[0]


def sigmoid(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−values)), float64."""
    return 1 / (1 + np.exp(-values.astype(np.float64)))


def load(folder: Path, weights: str | None = None) -> RerankPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read, or this code measures other similarities.
    """
    folder = Path(folder)
    settings = read_json(folder / LABELS)
    session = load_session(folder, weights)
    try:
        if settings["similarities"] != list(SIMILARITIES):
            raise ArtifactError(f"{folder} was trained on other similarities than this version measures.")
        model = OnnxText(session, load_tokenizer(folder, int(settings["max_length"])))
        return RerankPredictor(model, Trees.load(folder), _load_idf(folder / IDF), settings)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / LABELS} lacks {error}.") from error


def _load_idf(path: Path) -> Idf:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return Idf(tensors["counts"], int(tensors["products"][0]))
    except (OSError, SafetensorError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error

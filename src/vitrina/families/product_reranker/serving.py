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

if TYPE_CHECKING:
    import pandas as pd

LABELS = "labels.json"
IDF = "idf.safetensors"


class RerankPredictor:
    """A loaded model. Thread-safe; every call may hold any number of pairs."""

    def __init__(self, model: OnnxText, idf: Idf, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see README.md."""
        self._model = model
        self._idf = idf
        self.labels: list[str] = settings["labels"]
        self.threshold = float(settings["threshold"])
        self._slope, self._offset = float(settings["slope"]), float(settings["offset"])
        self._description_words = int(settings["description_words"])

    def score_pairs(self, pairs: Sequence[tuple[Product, Product]]) -> np.ndarray:
        """Calibrated probability that both products of each pair are the same, (pairs,) float64."""
        left, right = zip(*pairs, strict=True) if pairs else ((), ())
        return self._probabilities(self._run(read_pairs(left, right), "logits"))

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
        scores = self._probabilities(self._run(pairs, "logits"))
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
        return self._run(read_frame(examples), "embedding")

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's first output, the logits: for the parity report."""
        return self._run(read_frame(examples), "logits")

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(self._slope * logits.astype(np.float64) + self._offset)))

    def _run(self, pairs: list[Pair], output: str) -> np.ndarray:
        if not pairs:
            return np.zeros(0, dtype=np.float32)
        texts = {id(each): side(each, self._idf, self._description_words) for pair in pairs for each in pair}
        sides = [(texts[id(left)], texts[id(right)]) for left, right in pairs]
        return self._model.chunked(sides, [output], {"similarities": similarities(pairs, self._idf)})[0]


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
        return RerankPredictor(model, _load_idf(folder / IDF), settings)
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

"""What heads of labels say of a batch of products, and how one product's part of it becomes a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from vitrina.contracts.product_classification import Attribute, AttributeValue, Level, Sentiment, Suggestion
from vitrina.families.layers.onnx_text import softmax
from vitrina.families.layers.product_heads.heads import RATING, RECOMMENDED, Head, Levels, sigmoid, stars


class ProductPrediction(msgspec.Struct, frozen=True, gc=False):
    """One classified product; `label` is its category path, empty where the model knows no categories."""

    label: str
    confidence: float
    levels: list[Level]
    attributes: dict[str, Attribute]
    quality: float
    suggestions: list[Suggestion]
    sentiment: Sentiment | None
    needs_review: bool
    language: str


@dataclass(frozen=True)
class HeadAnswer:
    """One head on a batch.

    Attributes:
        probabilities: (rows, labels); they sum to 1 where one label is chosen.
        chosen: bool (rows, labels).
        confidence: (rows,) of the label chosen; for many labels, of the least certain decision.
        levels: (rows, depth) of a category's nodes from the root down.
        needs_review: (rows,) bool, below the head's threshold.
    """

    head: Head
    probabilities: np.ndarray
    chosen: np.ndarray
    confidence: np.ndarray
    needs_review: np.ndarray
    levels: np.ndarray | None = None
    paths: Sequence[Sequence[str]] = ()

    @classmethod
    def of(
        cls, head: Head, logits: np.ndarray, temperature: float, threshold: float, levels: Levels | None = None
    ) -> HeadAnswer:
        """From the head's logits (rows, labels)."""
        if head.kind == "many":
            probabilities = sigmoid(logits / temperature)
            chosen = probabilities > 0.5
            confidence = np.maximum(probabilities, 1 - probabilities).min(1)
            return cls(head, probabilities, chosen, confidence, confidence < threshold)
        probabilities = softmax(logits, temperature)
        best = probabilities.argmax(1)
        chosen = np.arange(head.width)[None, :] == best[:, None]
        confidence = probabilities[np.arange(len(best)), best]
        nodes = levels.confidence(probabilities, best) if levels else None
        paths = [levels.paths[leaf] for leaf in best] if levels else ()
        return cls(head, probabilities, chosen, confidence, confidence < threshold, nodes, paths)

    def labels(self, row: int) -> list[str]:
        """The labels chosen for a row."""
        return [self.head.labels[column] for column in np.flatnonzero(self.chosen[row])]


def category_of(answer: HeadAnswer | None, row: int) -> tuple[str | None, list[Level], float]:
    """Path, levels and confidence of a product's category."""
    if answer is None or answer.levels is None:
        return None, [], 1.0
    path = answer.paths[row]
    levels = [Level(name, float(p)) for name, p in zip(path, answer.levels[row], strict=False)]
    return answer.labels(row)[0], levels, float(answer.confidence[row])


def attributes_of(heads: Sequence[Head], answers: Mapping[str, HeadAnswer], row: int) -> dict[str, Attribute]:
    """The attributes of a product, by name."""
    found = {}
    for head in heads:
        if head.attribute is None:
            continue
        answer = answers[head.name]
        columns = np.flatnonzero(answer.chosen[row])
        values = [AttributeValue(head.labels[each], float(answer.probabilities[row, each])) for each in columns]
        found[head.attribute] = Attribute(values, bool(answer.needs_review[row]))
    return found


def sentiment_of(
    heads: Mapping[str, Head], temperature: Mapping[str, float], logits: np.ndarray | None
) -> Sentiment | None:
    """What a review says, from its logits (columns,); None without a review or without a head that reads it."""
    if logits is None:
        return None
    recommended, rating = heads.get(RECOMMENDED), heads.get(RATING)
    return Sentiment(
        float(sigmoid(logits[recommended.columns] / temperature[RECOMMENDED])[0]) if recommended else None,
        float(stars(logits[None, rating.columns])[0]) if rating else None,
    )

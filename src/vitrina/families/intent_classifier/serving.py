"""Text → intent on an exported folder: tokenizers, ONNX Runtime and NumPy; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.http import Classification, ClassifyRequest, PredictionRecord
from vitrina.errors import ArtifactError
from vitrina.families.layers.onnx_text import OnnxText, load_session, load_tokenizer, softmax
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd


class IntentPrediction(msgspec.Struct, frozen=True, gc=False):
    """One classified text. `distribution` maps every intent to its probability; they sum to 1."""

    label: str
    confidence: float
    distribution: dict[str, float]
    needs_clarification: bool
    out_of_scope: bool
    oos_score: float


class IntentPredictor:
    """A loaded model. Thread-safe; every call may hold any number of texts."""

    def __init__(self, model: OnnxText, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see docs/architecture.md."""
        self._model = model
        self.labels: list[str] = settings["labels"]
        self.temperature = float(settings["temperature"])
        self.threshold = float(settings["threshold"])
        self.oos_threshold = float(settings["oos_threshold"])

    def predict(self, texts: Sequence[str]) -> list[IntentPrediction]:
        """One prediction per text, in order."""
        logits, scores = self._model.outputs(texts, ["logits", "oos_score"])
        probabilities = softmax(logits, self.temperature)
        best = probabilities.argmax(1).tolist()
        return [
            self._prediction(row, label, score)
            for row, label, score in zip(probabilities.tolist(), best, scores.tolist(), strict=True)
        ]

    def _prediction(self, row: list[float], best: int, score: float) -> IntentPrediction:
        return IntentPrediction(
            label=self.labels[best],
            confidence=row[best],
            distribution=dict(zip(self.labels, row, strict=True)),
            needs_clarification=row[best] < self.threshold,
            out_of_scope=score > self.oos_threshold,
            oos_score=score,
        )

    def tokens(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The model's inputs for `texts`, padded to the longest: int64 (texts, tokens)."""
        return self._model.tokens(texts)

    def run(self, tokens: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The model alone: logits (texts, intents) and out-of-scope scores (texts,)."""
        return self._model.session.run(["logits", "oos_score"], tokens)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, intents) float32, before temperature."""
        return self._model.chunked(texts, ["logits"])[0]

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the columns of the prediction log plus `oos_score`; same index as `examples`."""
        import pandas as pd

        texts = list(examples["text"])
        logits, scores = self._model.chunked(texts, ["logits", "oos_score"])
        probabilities = softmax(logits, self.temperature)
        confidence = probabilities.max(1)
        return pd.DataFrame(
            {
                "text": texts,
                "language": _languages(texts, examples),
                "length": [len(text) for text in texts],
                "label": [self.labels[i] for i in probabilities.argmax(1)],
                "confidence": confidence,
                "needs_clarification": confidence < self.threshold,
                "out_of_scope": scores > self.oos_threshold,
                "oos_score": scores,
            },
            index=examples.index,
        )

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, width) float32, L2-normalised."""
        return self._model.chunked(list(examples["text"]), ["embedding"])[0]

    def teach(self, texts: Sequence[str]) -> list[np.ndarray]:
        """What a student learns from: logits (texts, intents) and embeddings (texts, width)."""
        return self._model.chunked(texts, ["logits", "embedding"])

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's first output, the logits: for the parity report."""
        return self.logits(list(examples["text"]))


def _languages(texts: list[str], examples: pd.DataFrame) -> list[str]:
    if "language" not in examples:
        return [detect_language(text) for text in texts]
    stated = examples["language"]
    return [
        value if isinstance(value, str) and value not in ("", UNDETERMINED) else detect_language(text)
        for text, value in zip(texts, stated, strict=True)
    ]


def load(folder: Path, weights: str | None = None) -> IntentPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    folder = Path(folder)
    session = load_session(folder, weights)
    settings = read_json(folder / "labels.json")
    try:
        return IntentPredictor(OnnxText(session, load_tokenizer(folder, int(settings["max_length"]))), settings)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error


def classify(predictor: IntentPredictor, requests: Sequence[ClassifyRequest]) -> list[IntentPrediction]:
    """Run a batch of requests."""
    return predictor.predict([request.text for request in requests])


def answer(prediction: IntentPrediction, model: str, version: str, request_id: str) -> Classification:
    """The body that `POST /classify` answers."""
    return Classification(
        label=prediction.label,
        confidence=prediction.confidence,
        distribution=prediction.distribution,
        needs_clarification=prediction.needs_clarification,
        out_of_scope=prediction.out_of_scope,
        oos_score=prediction.oos_score,
        model=model,
        version=version,
        request_id=request_id,
    )


def record(
    request: ClassifyRequest, prediction: IntentPrediction, model: str, version: str, request_id: str
) -> PredictionRecord:
    """The line of the prediction log."""
    return PredictionRecord(
        request_id=request_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        text=request.text,
        language=request.language or detect_language(request.text),
        length=len(request.text),
        label=prediction.label,
        confidence=prediction.confidence,
        needs_clarification=prediction.needs_clarification,
        out_of_scope=prediction.out_of_scope,
    )

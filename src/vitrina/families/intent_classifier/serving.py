"""Text → intent on an exported folder: tokenizers, ONNX Runtime and NumPy; neither torch nor transformers."""

from __future__ import annotations

import os
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
from vitrina.settings import load_settings
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = ("model.int8.onnx", "model.onnx")
CHUNK = 64
"""Texts run together by the offline paths."""

PADDING = 12
"""Padded tokens that cost as much as one more run of the model (measured for student and MiniLM: best of 4 to 16)."""


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

    def __init__(self, session: Any, tokenizer: Any, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see docs/architecture.md."""
        self._session = session
        self._tokenizer = tokenizer
        self.labels: list[str] = settings["labels"]
        self.temperature = float(settings["temperature"])
        self.threshold = float(settings["threshold"])
        self.oos_threshold = float(settings["oos_threshold"])

    def predict(self, texts: Sequence[str]) -> list[IntentPrediction]:
        """One prediction per text, in order."""
        logits, scores = self._outputs(texts, ["logits", "oos_score"])
        probabilities = _softmax(logits, self.temperature)
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
        return _padded([encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))])

    def run(self, tokens: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The model alone: logits (texts, intents) and out-of-scope scores (texts,)."""
        return self._session.run(["logits", "oos_score"], tokens)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, intents) float32, before temperature."""
        return self._chunked(texts, "logits")[0]

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the columns of the prediction log plus `oos_score`; same index as `examples`."""
        import pandas as pd

        texts = list(examples["text"])
        logits, scores = self._chunked(texts, "logits", "oos_score")
        probabilities = _softmax(logits, self.temperature)
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
        return self._chunked(list(examples["text"]), "embedding")[0]

    def teach(self, texts: Sequence[str]) -> list[np.ndarray]:
        """What a student learns from: logits (texts, intents) and embeddings (texts, width)."""
        return self._chunked(texts, "logits", "embedding")

    def outputs(self, examples: pd.DataFrame) -> np.ndarray:
        """The graph's first output, the logits: for the parity report."""
        return self.logits(list(examples["text"]))

    def _chunked(self, texts: Sequence[str], *names: str) -> list[np.ndarray]:
        starts = range(0, max(len(texts), 1), CHUNK)
        parts = [self._outputs(texts[start : start + CHUNK], list(names)) for start in starts]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _outputs(self, texts: Sequence[str], names: list[str]) -> list[np.ndarray]:
        """Model outputs for `texts`; texts of similar length run together, so that a long one does not pad the rest."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        rows = [encoding.ids for encoding in encodings]
        groups = _by_length([len(row) for row in rows])
        if len(groups) == 1:
            return self._session.run(names, _padded(rows))
        results = [self._session.run(names, _padded([rows[i] for i in group])) for group in groups]
        order = np.argsort(np.concatenate([np.asarray(group, dtype=np.int64) for group in groups]))
        return [np.concatenate(parts)[order] for parts in zip(*results, strict=True)]


def _by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of similar length: none is padded by more than `PADDING` tokens when a longer row joins."""
    groups: list[list[int]] = [[]]
    width = 0
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if (lengths[row] - width) * len(groups[-1]) > PADDING:
            groups.append([])
        groups[-1].append(row)
        width = lengths[row]
    return groups


def _padded(rows: list[list[int]]) -> dict[str, np.ndarray]:
    """`input_ids` and `attention_mask`, int64 (rows, longest); masked positions hold 0."""
    width = max((len(row) for row in rows), default=3)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(logits / temperature), float64 so that a row sums to 1; in place, for single rows are the hot path."""
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(1, keepdims=True)
    scaled /= temperature
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(1, keepdims=True)
    return scaled


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
    names = [weights] if weights else list(WEIGHTS)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise ArtifactError(f"{folder} has no {' or '.join(names)}: it was not exported.")
    settings = read_json(folder / "labels.json")
    try:
        tokenizer = _tokenizer(folder, int(settings["max_length"]))
        return IntentPredictor(_session(path), tokenizer, settings)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error


def _tokenizer(folder: Path, max_length: int) -> Any:
    # Texts of one batch are few and short: worker threads cost more than they give, and compete with the model.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises a bare Exception
        raise ArtifactError(f"{folder / 'tokenizer.json'} cannot be read: {error}.") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = load_settings().threads or 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its error types share no public base
        raise ArtifactError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error


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

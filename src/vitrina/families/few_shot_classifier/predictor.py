"""An exported folder → labels for new classes: ONNX Runtime and NumPy; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from vitrina.artifacts import MANIFEST, read_json, sha256
from vitrina.contracts.columns import UNDETERMINED
from vitrina.errors import ArtifactError, DataError
from vitrina.families.few_shot_classifier import images
from vitrina.families.few_shot_classifier.head import Head, Rates, adapt
from vitrina.families.layers.onnx_text import CHUNK, OnnxText, load_session, load_tokenizer
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd


class Prediction(msgspec.Struct, frozen=True):
    """The label of one text or image; `distribution` maps every class to its probability."""

    label: str
    confidence: float
    distribution: dict[str, float]
    low_confidence: bool


class TextEmbedder:
    """Texts → unit-length embeddings."""

    def __init__(self, folder: Path, weights: str | None, max_length: int) -> None:
        self._model = OnnxText(load_session(folder, weights), load_tokenizer(folder, max_length))

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return self._model.chunked(texts, ["embedding"])[0]


class ImageEmbedder:
    """Base64 images → unit-length embeddings."""

    def __init__(self, folder: Path, weights: str | None, side: int, drawings: bool, views: int) -> None:
        self._session = load_session(folder, weights)
        self._side, self._drawings, self._views = side, drawings, views

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Raises DataError when one is no image."""
        parts = []
        for start in range(0, len(texts), CHUNK):
            seen = [images.views(self._read(text), self._views) for text in texts[start : start + CHUNK]]
            vectors = self._session.run(["embedding"], {"pixels": images.pixels(np.concatenate(seen))})[0]
            parts.append(vectors.reshape(len(seen), self._views, -1).mean(1))
        found = np.concatenate(parts)
        return found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-12)

    def reduced(self, text: str) -> str:
        """The image at the resolution that is read, as base64 of a PNG of about a kilobyte."""
        return images.encoded(images.png(self._read(text)))

    def _read(self, text: str) -> np.ndarray:
        return images.read(images.decoded(text), self._side, self._drawings)


@dataclass(frozen=True)
class Classifier:
    """A head with the names of its classes."""

    labels: tuple[str, ...]
    head: Head


class FewShotPredictor:
    """A loaded model. Thread-safe.

    Attributes:
        modality: `text` or `image`; images are base64 texts here.
        version: digest of the folder's manifest: embeddings of two versions do not mix.
    """

    def __init__(self, embedder: TextEmbedder | ImageEmbedder, settings: Mapping[str, Any], version: str) -> None:
        """`settings` is the content of `labels.json`, written by `trainer.finish`."""
        self.vectors = embedder
        self.version = version
        self.modality: str = settings["modality"]
        self.threshold = float(settings["threshold"])
        self.rates = Rates.read(settings["adaptation"])
        self._reference: dict[str, list[str]] = settings["reference"]
        self._reference_classifier: Classifier | None = None

    def classifier(self, classes: Mapping[str, Sequence[str]]) -> Classifier:
        """Learn classes from their examples: label → texts or base64 images.

        Raises:
            DataError: with fewer than two classes, or a class without examples.
        """
        return self.adapted(
            list(classes),
            self.vectors([each for part in classes.values() for each in part]),
            [len(part) for part in classes.values()],
        )

    def adapted(self, labels: Sequence[str], vectors: np.ndarray, counts: Sequence[int]) -> Classifier:
        """Learn classes from embedded examples, class after class; `counts` says how many each has."""
        if len(labels) < 2:
            raise DataError(
                f"Labelling needs two or more classes; there {'is' if len(labels) == 1 else 'are'} {len(labels)}."
            )
        if min(counts) == 0:
            raise DataError(f"Class '{labels[list(counts).index(0)]}' has no example.")
        positions = np.repeat(np.arange(len(labels)), counts)
        return Classifier(tuple(labels), adapt(vectors, positions, len(labels), self.rates))

    def label(self, classifier: Classifier, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text or base64 image, in order."""
        return self.answers(classifier, self.vectors(texts)) if texts else []

    def answers(self, classifier: Classifier, vectors: np.ndarray) -> list[Prediction]:
        """One prediction per embedded query, in order."""
        return [self._prediction(classifier.labels, row) for row in classifier.head.probabilities(vectors)]

    def _prediction(self, labels: Sequence[str], row: np.ndarray) -> Prediction:
        best = int(row.argmax())
        return Prediction(
            labels[best],
            float(row[best]),
            dict(zip(labels, row.tolist(), strict=True)),
            bool(row[best] < self.threshold),
        )

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Labels among the reference classes (validation classes kept in the folder), as the prediction log has them.

        Without a label set of the caller's own there is nothing else to choose from; services always have one.
        """
        import pandas as pd

        texts = [str(text) for text in examples["text"]]
        found = self.label(self.reference(), texts)
        stated = list(examples["language"]) if "language" in examples else [None] * len(texts)
        return pd.DataFrame(
            {
                "text": texts,
                "language": [self.language(text, given) for text, given in zip(texts, stated, strict=True)],
                "length": [len(text) for text in texts],
                "label": [each.label for each in found],
                "confidence": [each.confidence for each in found],
                "low_confidence": [each.low_confidence for each in found],
                "ways": len(self.reference().labels),
            },
            index=examples.index,
        )

    def reference(self) -> Classifier:
        """The classifier of the folder's own reference classes."""
        if self._reference_classifier is None:
            self._reference_classifier = self.classifier(self._reference)
        return self._reference_classifier

    def language(self, text: str, stated: object = None) -> str:
        """As stated, else detected; an image has none."""
        if isinstance(stated, str) and stated not in ("", UNDETERMINED):
            return stated
        return detect_language(text) if self.modality == "text" else UNDETERMINED

    def logged(self, text: str) -> str:
        """What the prediction log keeps of a query: the text, or the image as small as the model reads it."""
        return text if isinstance(self.vectors, TextEmbedder) else self.vectors.reduced(text)

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, width) float32, L2-normalised."""
        return self.vectors([str(text) for text in examples["text"]])

    outputs = embed  # the graph's only output, for the parity report


def load(folder: Path, weights: str | None = None) -> FewShotPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    folder = Path(folder)
    settings = read_json(folder / "labels.json")
    manifest = folder / MANIFEST
    version = sha256(manifest)[:12] if manifest.is_file() else ""
    try:
        embedder: TextEmbedder | ImageEmbedder
        if settings["modality"] == "text":
            embedder = TextEmbedder(folder, weights, int(settings["max_length"]))
        else:
            embedder = ImageEmbedder(folder, weights, **settings["image"])
        return FewShotPredictor(embedder, settings, version)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error

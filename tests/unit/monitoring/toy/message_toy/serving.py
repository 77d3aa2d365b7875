"""Hashed words, projected; the label is the nearest topic's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import HashingVectorizer

WIDTH, HASHED = 48, 2048
PROJECTION = np.random.default_rng(0).normal(size=(HASHED, WIDTH)).astype(np.float32)


def embed_texts(texts: list[str]) -> np.ndarray:
    """(texts, WIDTH) float32, L2-normalised."""
    rows = HashingVectorizer(n_features=HASHED, norm="l2", stop_words="english").transform(texts) @ PROJECTION
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)


class TopicPredictor:
    """`topics`: label → a text with its words."""

    def __init__(self, topics: dict[str, str]) -> None:
        self.labels = list(topics)
        self.centres = embed_texts(list(topics.values()))

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        logits = 8 * self.embed(examples) @ self.centres.T
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return pd.DataFrame(
            {
                "text": examples["text"],
                "language": examples["language"],
                "length": examples["text"].str.len(),
                "label": [self.labels[i] for i in shares.argmax(1)],
                "confidence": shares.max(1),
                "needs_clarification": shares.max(1) < 0.5,
                "out_of_scope": False,
            }
        )

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        return embed_texts(list(examples["text"]))


def load(folder: Path, weights: str | None = None) -> TopicPredictor:
    return TopicPredictor(json.loads((folder / "topics.json").read_text()))

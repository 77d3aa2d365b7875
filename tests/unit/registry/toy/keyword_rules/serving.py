"""Predictions of a rules folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


class RulesPredictor:
    """Keyword → intent, in order; `other` where none is found."""

    def __init__(self, rules: dict[str, str]) -> None:
        self.rules = rules

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Columns text and label."""
        labels = [next((i for word, i in self.rules.items() if word in text), "other") for text in examples["text"]]
        return pd.DataFrame({"text": examples["text"], "label": labels}, index=examples.index)

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """One dimension: the length of the text."""
        return examples["text"].str.len().to_numpy(np.float32)[:, None]


def load(folder: Path, weights: str | None = None) -> RulesPredictor:
    """Read rules.json."""
    return RulesPredictor(json.loads((folder / "rules.json").read_text()))

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd


class ToyPredictor:
    def __init__(self, model: Path) -> None:
        self.session = onnxruntime.InferenceSession(model)

    def _logits(self, examples: pd.DataFrame) -> np.ndarray:
        features = examples[["x", "y"]].to_numpy(dtype="float32")
        return self.session.run(["logits"], {"features": features})[0]

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        logits = self._logits(examples)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        confidence = (odds / odds.sum(axis=1, keepdims=True)).max(axis=1)
        labels = np.where(logits.argmax(axis=1) == 1, "above", "below")
        return pd.DataFrame({"label": labels, "confidence": confidence})

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        return self._logits(examples)


def load(folder: Path, weights: str | None = None) -> ToyPredictor:
    return ToyPredictor(folder / (weights or "model.onnx"))

"""Gradient-boosted trees over the similarities: fitted by scikit-learn, kept and run as an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.families.layers.onnx_text import load_session

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

TREES = "trees.onnx"


def fit(similarities: np.ndarray, match: np.ndarray, rounds: int, seed: int) -> HistGradientBoostingClassifier:
    """Boosted trees (Ke et al., 2017) on (pairs, similarities) float32; `rounds` trees of at most 15 leaves."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=rounds,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(similarities, match)


def write(model: HistGradientBoostingClassifier, width: int, path: Path) -> None:
    """Write the trees as ONNX: input `similarities` float32 (batch, width), last output probabilities (batch, 2)."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    graph = to_onnx(
        model,
        initial_types=[("similarities", FloatTensorType([None, width]))],
        options={id(model): {"zipmap": False}},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    path.write_bytes(graph.SerializeToString())


class Trees:
    """The trees of a model folder. Thread-safe."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._output = session.get_outputs()[-1].name

    @classmethod
    def load(cls, folder: Path) -> Trees:
        """Read `trees.onnx`; raises `ArtifactError` when it is missing or damaged."""
        return cls(load_session(folder, TREES))

    def logits(self, similarities: np.ndarray) -> np.ndarray:
        """log p / (1 − p) of (pairs, similarities), float64 (pairs,)."""
        if not len(similarities):
            return np.zeros(0)
        probability = self._session.run([self._output], {"similarities": similarities})[0][:, 1].astype(np.float64)
        probability = probability.clip(1e-6, 1 - 1e-6)
        return np.log(probability / (1 - probability))

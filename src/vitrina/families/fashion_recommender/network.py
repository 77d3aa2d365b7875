"""The exported graph of a fashion recommender: four parts in one file, each run on its own; ONNX Runtime and NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitrina.families.layers.onnx_text import OnnxText, load_session, load_tokenizer

CHUNK = 4096
PHOTOS = 64


class Parts:
    """A session of which one part is run at a time: the inputs of the others are fed one row of zeros, and ignored."""

    def __init__(self, session: Any) -> None:
        import onnxruntime

        self._session = session
        self._options = onnxruntime.RunOptions()
        self._options.only_execute_path_to_fetches = True
        self._idle: dict[str, np.ndarray] = {}
        for value in session.get_inputs():
            shape = [size if isinstance(size, int) else 1 for size in value.shape]
            self._idle[value.name] = np.zeros(shape, np.int64 if "int64" in value.type else np.float32)

    def run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs, all of one part, whose inputs are `feed`."""
        return self._session.run(names, {**self._idle, **feed}, self._options)


class Network:
    """The four parts as functions. Thread-safe."""

    def __init__(self, folder: Path, weights: str | None, max_length: int) -> None:
        """Load the graph and tokenizer of a model folder.

        Raises:
            ArtifactError: when a file is missing or cannot be read.
        """
        self._parts = Parts(load_session(folder, weights))
        self._text = OnnxText(self._parts, load_tokenizer(folder, max_length))

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, width) float32, L2-normalised."""
        return self._text.chunked(list(texts) or [""], ["text"])[0][: len(texts)]

    def photos(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (photos, 3, side, side) → (photos, width) float32, L2-normalised."""
        return _chunked(
            lambda part: self._parts.run(["photo"], {"pixels": part.astype(np.float32) / 255})[0], pixels, PHOTOS
        )

    def side(self, features: np.ndarray, side: str) -> np.ndarray:
        """Features of customers or products (`user`, `product`), see `features.py` → the tower's vectors."""
        return _chunked(lambda part: self._parts.run([f"{side}_side"], {side: part})[0], features, CHUNK)

    def stars(self, users: np.ndarray, products: np.ndarray) -> np.ndarray:
        """(pairs,) stars 1–5 from the tower's vectors of both sides, row by row."""
        told = [
            self._parts.run(
                ["rating"],
                {
                    "user_vector": np.ascontiguousarray(users[start : start + CHUNK]),
                    "product_vector": np.ascontiguousarray(products[start : start + CHUNK]),
                },
            )[0]
            for start in range(0, len(users), CHUNK)
        ]
        return np.clip(np.concatenate([np.empty(0, np.float32), *told]), 1, 5)


def _chunked(run: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, size: int) -> np.ndarray:
    """`run` on at most `size` rows at a time; of no rows, one of zeros tells the shape."""
    if not len(rows):
        return run(np.zeros((1, *rows.shape[1:]), rows.dtype))[:0]
    return np.concatenate([run(rows[start : start + size]) for start in range(0, len(rows), size)])

"""Embeddings without a model."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pandas as pd


class Letters:
    """How often each letter stands in a title; `poison.txt` of the model folder names a title that breaks it."""

    def __init__(self, poison: Path) -> None:
        self.poison = poison

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, 26) float32, L2-normalised."""
        if self.poison.is_file() and (examples["title"] == self.poison.read_text()).any():
            raise RuntimeError(f"the model broke at {self.poison.read_text()}")
        counts = np.array(
            [[title.lower().count(letter) for letter in string.ascii_lowercase] for title in examples["title"]]
        )
        vectors = counts.astype(np.float32).reshape(len(examples), 26) + 1e-3
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_queries(self, texts: list[str]) -> np.ndarray:
        """A query is a product with only a title."""
        return self.embed(pd.DataFrame({"title": texts}))


def load(folder: Path, weights: str | None = None) -> Letters:
    """There is nothing to load."""
    return Letters(folder.parent / "poison.txt")

"""The two exported graphs of a model folder: ONNX Runtime, tokenizers and NumPy; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vitrina.families.layers.onnx_text import load_session, load_tokenizer
from vitrina.families.multimodal_product.features import fact_ids, word_arrays
from vitrina.text.ngrams import NgramHasher, padded

PHOTO_GRAPHS = {"model.onnx": "photo.onnx", "model.int8.onnx": "photo.int8.onnx"}
CHUNK = 64
"""Rows, and photos, run together."""


class Seen(NamedTuple):
    """What the model sees of rows: texts (may be empty), photo tokens and which rows have them, prices, facts."""

    texts: Sequence[str]
    photo: np.ndarray
    seen: np.ndarray
    prices: np.ndarray
    facts: Sequence[Sequence[str]]

    def take(self, rows: np.ndarray) -> Seen:
        """Some of the rows."""
        return Seen(
            [self.texts[row] for row in rows],
            self.photo[rows],
            self.seen[rows],
            self.prices[rows],
            [self.facts[row] for row in rows],
        )

    def by_text(self) -> Seen:
        """The same rows by their text alone."""
        return Seen(self.texts, self.photo[:, :1], np.zeros_like(self.seen), *self._no_facts())

    def by_photo(self) -> Seen:
        """The same rows by their photo alone."""
        return Seen([""] * len(self.texts), self.photo, self.seen, *self._no_facts())

    def _no_facts(self) -> tuple[np.ndarray, list[list[str]]]:
        return np.zeros_like(self.prices), [[] for _ in self.texts]


class Network:
    """Runs the graphs. Thread-safe; every call may hold any number of rows."""

    def __init__(self, folder: Path, weights: str | None, settings: Mapping[str, Any]) -> None:
        """`weights` names the file of the larger graph; the photo's follows it."""
        self._session = load_session(folder, weights)
        found = weights or next(name for name in ("model.int8.onnx", "model.onnx") if (folder / name).is_file())
        self._looking = load_session(folder, PHOTO_GRAPHS[found])
        self._tokenizer = load_tokenizer(folder, int(settings["max_length"]))
        lexical = settings["lexical"]
        self._hasher = NgramHasher(lexical["buckets"], tuple(lexical["sizes"]), lexical["limit"]) if lexical else None
        self._buckets, self._facts = int(settings["metadata_buckets"]), int(settings["metadata"])
        self.side = int(settings["side"])
        self.reads_text = "text" in settings["modalities"]
        self.patches, self.width = (int(size) for size in self._looking.get_outputs()[0].shape[1:])

    def look(self, pixels: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        """Photos, uint8 (3, side, side), as tokens (rows, patches, width), and which rows have one.

        Where none has, a single token stands for all: nobody pays for patches that are not there.
        """
        seen = np.array([each is not None for each in pixels], dtype=np.float32)
        if not seen.any():
            return np.zeros((len(pixels), 1, self.width), dtype=np.float32), seen
        tokens = np.zeros((len(pixels), self.patches, self.width), dtype=np.float32)
        rows = np.flatnonzero(seen)
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            stacked = np.stack([np.asarray(pixels[row]) for row in some])
            tokens[some] = self._looking.run(["photo"], {"pixels": stacked})[0]
        return tokens, seen

    def run(self, rows: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Logits (rows, columns) and embeddings (rows, width), in order; rows of similar length run together."""
        encoded = zip(self._tokenizer.encode_batch_fast(list(rows.texts)), rows.texts, strict=True)
        ids = [encoding.ids if text else [] for encoding, text in encoded]
        order = np.argsort([len(each) for each in ids], kind="stable")
        parts = [self._some(rows.take(some), [ids[row] for row in some]) for some in _chunks(order)]
        back = np.argsort(order, kind="stable")
        logits, embeddings = (np.concatenate(each)[back] for each in zip(*parts, strict=True))
        return logits, embeddings

    def _some(self, rows: Seen, ids: list[list[int]]) -> list[np.ndarray]:
        feed = word_arrays(ids)
        feed["price"] = rows.prices
        feed["metadata_ids"] = padded([fact_ids(facts, self._buckets, self._facts) for facts in rows.facts])
        feed["photo"] = rows.photo if rows.seen.any() else rows.photo[:, :1]
        feed["seen"] = rows.seen
        if self._hasher is not None:
            feed["ngram_ids"] = padded([self._hasher(text) for text in rows.texts])
        return self._session.run(["logits", "embedding"], feed)


def _chunks(order: np.ndarray) -> list[np.ndarray]:
    return [order[start : start + CHUNK] for start in range(0, max(len(order), 1), CHUNK)]

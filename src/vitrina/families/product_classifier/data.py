"""Catalogue and reviews → splits, and splits → tokenized training rows."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from vitrina.errors import UsageError
from vitrina.families.layers.product_heads.rows import read_examples, split_rows, write_rows
from vitrina.families.product_classifier.configuration import Options

if TYPE_CHECKING:
    import numpy as np

    from vitrina.text.ngrams import NgramHasher

__all__ = ["TokenizedRows", "collate", "prepare", "read_examples"]


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Split products by their title and reviews by their text; see `DataModule.prepare`.

    Raises:
        UsageError: when neither a catalogue nor reviews are given.
        DataError: when a split ends empty, or nothing in the training rows can be told apart.
    """
    if not {"catalogue", "reviews"} & tables.keys():
        raise UsageError("product_classifier needs a catalogue, reviews or both: give --table catalogue=FILE.")
    for name, part in split_rows(tables, cast(Options, options), seed).items():
        write_rows(part, output / f"{name}.parquet")


class TokenizedRows:
    """A map-style dataset of tokens, n-grams and labels.

    Args:
        labels: (rows, targets) float32, NaN is unknown.
        hasher: of the n-gram bag; None: the model has none.
        altered: share of the rows that are altered whenever they are read, with the random state of the moment.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: np.ndarray,
        tokenizer: Any,
        max_length: int,
        hasher: NgramHasher | None,
        altered: float = 0.0,
    ) -> None:
        self.texts = list(texts)
        self.labels = labels
        self.altered = altered
        self._tokenizer, self._max_length, self._hasher = tokenizer, max_length, hasher
        self.rows = [self._encoded(text, ids) for text, ids in zip(self.texts, self._ids(self.texts), strict=True)]
        self.lengths = [len(row["input_ids"]) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        if self.altered and random.random() < self.altered:
            from vitrina.text.augmentation import damaged

            text = damaged(self.texts[index], random)
            row = self._encoded(text, self._ids([text])[0])
        return {**row, "labels": self.labels[index]}

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self._tokenizer(texts, truncation=True, max_length=self._max_length)["input_ids"]

    def _encoded(self, text: str, ids: list[int]) -> dict[str, Any]:
        ngrams = {} if self._hasher is None else {"ngram_ids": self._hasher(text)}
        return {"input_ids": ids, **ngrams}


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Pad a list of rows to their longest: tensors `input_ids`, `attention_mask`, `ngram_ids`, `labels`."""
    import numpy as np
    import torch

    from vitrina.families.layers.onnx_text import padded_tokens
    from vitrina.text.ngrams import padded

    batch = padded_tokens([row["input_ids"] for row in rows])
    if "ngram_ids" in rows[0]:
        batch["ngram_ids"] = padded([row["ngram_ids"] for row in rows])
    batch["labels"] = np.stack([row["labels"] for row in rows])
    return {name: torch.from_numpy(values) for name, values in batch.items()}

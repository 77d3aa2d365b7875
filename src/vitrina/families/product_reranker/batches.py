"""Pairs of products → what the model is trained on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrina.families.product_reranker.configuration import Options
from vitrina.families.product_reranker.reading import Idf, Pair
from vitrina.families.product_reranker.serialisation import side
from vitrina.families.product_reranker.similarity import similarities


class PairRows:
    """A map-style dataset of tokenized pairs, their similarities and labels.

    In training some pairs lose words and some are shown right side first, by the random state of the moment; the
    similarities are always those of the whole pair, in the order shown.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        labels: Sequence[bool],
        idf: Idf,
        tokenizer: Any,
        options: Options,
        *,
        training: bool = False,
    ) -> None:
        self._tokenizer, self._options, self._training = tokenizer, options, training
        self.labels = np.asarray(labels, dtype=np.float32)
        self.texts = [tuple(side(reading, idf, options.description_words) for reading in pair) for pair in pairs]
        self.similarities = similarities(pairs, idf)
        self._turned = similarities([(right, left) for left, right in pairs], idf) if self._swaps else None
        encoded = tokenizer(self.texts, truncation="longest_first", max_length=options.max_length)
        self.lengths = [len(ids) for ids in encoded["input_ids"]]

    @property
    def _swaps(self) -> bool:
        return self._training and self._options.swap_sides > 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        left, right = self.texts[index]
        values = self.similarities[index]
        if self._training and random.random() < self._options.augmented:
            left, right = (self._shortened(text) for text in (left, right))
        if self._turned is not None and random.random() < self._options.swap_sides:
            left, right, values = right, left, self._turned[index]
        return {"left": left, "right": right, "similarities": values, "labels": self.labels[index]}

    def _shortened(self, text: str) -> str:
        words = [word for word in text.split() if random.random() >= self._options.word_dropout]
        return " ".join(words) or text


class PairCollator:
    """Tokenizes a list of rows together and stacks their similarities and labels."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        batch: dict[str, Any] = dict(
            self._tokenizer(
                [row["left"] for row in rows],
                [row["right"] for row in rows],
                truncation="longest_first",
                max_length=self._max_length,
                padding=True,
                return_token_type_ids=True,
                return_tensors="pt",
            )
        )
        for name in ("similarities", "labels"):
            batch[name] = torch.from_numpy(np.stack([row[name] for row in rows]))
        return batch

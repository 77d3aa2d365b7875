"""Lexical evidence: words, word pairs and character n-grams as bucket numbers (feature hashing, Weinberger 2009).

An encoder pretrained on prose knows what words mean; which model number, brand or misspelling stands in a title is
better told by the letters themselves (fastText, Bojanowski et al., 2017).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np

_WORD = re.compile(r"\w+(?:[.\-']\w+)*")
PADDING = 0
CACHED_WORDS = 100_000
_PRIME = 1_000_003


class NgramHasher:
    """Texts → bucket numbers 1 … `buckets`; the same in every process and on every machine.

    Args:
        buckets: size of the table; two n-grams may share a bucket.
        sizes: shortest and longest character n-gram, within a word and its borders.
        limit: n-grams kept of a text; the first ones.
    """

    def __init__(self, buckets: int, sizes: tuple[int, int] = (3, 5), limit: int = 256) -> None:
        self.buckets = buckets
        self.sizes = sizes
        self.limit = limit
        self._words: dict[str, tuple[int, list[int]]] = {}

    def __call__(self, text: str) -> list[int]:
        """The buckets of one text: of each word, its pair with the word before, and its character n-grams."""
        found: list[int] = []
        previous = 0
        for word in _WORD.findall(text.lower()):
            code, buckets = self._word(word)
            found += buckets
            if previous:
                found.append((previous * _PRIME + code) % self.buckets + 1)
            previous = code
            if len(found) >= self.limit:
                break
        return found[: self.limit]

    def batch(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, longest) int64, padded with 0; at least one column."""
        return padded([self(text) for text in texts])

    def _word(self, word: str) -> tuple[int, list[int]]:
        known = self._words.get(word)
        if known is None:
            code = crc32(word.encode())
            known = (code, [code % self.buckets + 1, *self._characters(word)])
            if len(self._words) < CACHED_WORDS:  # names repeat their words: hashing is the cost
                self._words[word] = known
        return known

    def _characters(self, word: str) -> list[int]:
        shortest, longest = self.sizes
        bordered = f"<{word}>".encode()
        return [
            crc32(bordered[start : start + size]) % self.buckets + 1
            for size in range(shortest, min(longest, len(bordered)) + 1)
            for start in range(len(bordered) - size + 1)
        ]


def padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """(rows, longest) int64, padded with 0; at least one column."""
    width = max((len(row) for row in rows), default=0)
    table = np.full((len(rows), max(width, 1)), PADDING, dtype=np.int64)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table

"""Lexical search that forgives typos: BM25 over words, word pairs and character n-grams.

The postings are memory-mapped arrays, one slice of `docs` and `counts` per token. A library does not fit: bm25s
(Lù, 2024) cannot add products to an index, and SQLite's FTS5 ranks a query of fifty n-grams row by row.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import log, log1p
from pathlib import Path

import numpy as np

from vitrina.text.ngrams import NgramHasher

K1, B = 0.6, 0.6
"""Titles say a word once and differ little in length; chosen, with the n-grams' sizes, on training products."""

SHORT, LONG = 50, 300
"""Tokens of a typed query, and of a whole record asked as a query (some 8 and 40 words)."""

SIZES = (2, 4)
TOKENS, OFFSETS, DOCS, COUNTS, LENGTHS = (f"{name}.npy" for name in ("tokens", "offsets", "docs", "counts", "lengths"))
MOST_TOKENS = 2000
"""Of a text; some 150 words."""

BUDGET = 200_000
"""Postings that finding candidates may read: beyond it frequent n-grams, which tell little, only rank them."""

Weights = Mapping[int, float]
"""Token → its weight in the query."""

Postings = tuple[np.ndarray, np.ndarray]
"""Tokens uint32 and their rows uint32, one pair an occurrence."""


@cache
def _hasher() -> NgramHasher:
    return NgramHasher(2**32 - 1, sizes=SIZES, limit=MOST_TOKENS)


def analyse(text: str) -> list[int]:
    """The tokens of a text as 32-bit numbers; accents and case do not count."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _hasher()(text)


def postings(texts: Sequence[str], first: int = 0) -> Postings:
    """The tokens of `texts`, whose rows count from `first`."""
    found = [analyse(text) for text in texts]
    lengths = [len(tokens) for tokens in found]
    tokens = np.fromiter((token for each in found for token in each), np.uint32, sum(lengths))
    return tokens, np.repeat(np.arange(first, first + len(texts), dtype=np.uint32), lengths)


class Lexicon:
    """The postings of one segment."""

    def __init__(self, *arrays: np.ndarray) -> None:
        """`tokens` sorted and distinct; the rows of token i are `docs[offsets[i]:offsets[i + 1]]`, with `counts`."""
        self.tokens, self.offsets, self.docs, self.counts, self.lengths = arrays

    @classmethod
    def open(cls, folder: Path) -> Lexicon:
        """The postings of a segment's folder, memory-mapped; what every query reads is in memory."""
        mapped = [np.load(folder / name, mmap_mode="r") for name in (TOKENS, OFFSETS, DOCS, COUNTS)]
        return cls(*map(np.asarray, mapped), np.load(folder / LENGTHS))

    @classmethod
    def of(cls, parts: Iterable[Postings], rows: int) -> Lexicon:
        """Sort postings by token and row."""
        pieces = list(parts)
        pairs = np.empty(sum(len(tokens) for tokens, _ in pieces), np.uint64)
        lengths = np.zeros(rows, np.float32)
        filled = 0
        for tokens, docs in pieces:
            block = pairs[filled : filled + len(tokens)]
            block[:] = tokens
            block <<= np.uint64(32)
            block |= docs
            filled += len(tokens)
            if len(docs):
                lowest = int(docs.min())
                found = np.bincount(docs - np.uint32(lowest))
                lengths[lowest : lowest + len(found)] += found
        pairs.sort()
        starts = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]]) if len(pairs) else np.empty(0, np.int64)
        counts = np.minimum(np.diff(np.r_[starts, len(pairs)]), 255).astype(np.uint8)
        pairs = pairs[starts]
        distinct, firsts = np.unique(pairs >> np.uint64(32), return_index=True)
        offsets = np.r_[firsts, len(pairs)].astype(np.int64)
        docs = (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        return cls(distinct.astype(np.uint32), offsets, docs, counts, lengths)

    def write(self, folder: Path) -> None:
        """Write the arrays into a segment's folder."""
        arrays = (self.tokens, self.offsets, self.docs, self.counts, self.lengths)
        for name, array in zip((TOKENS, OFFSETS, DOCS, COUNTS, LENGTHS), arrays, strict=True):
            np.save(folder / name, array)

    def kept(self, rows: np.ndarray, first: int) -> Postings:
        """The postings of the rows that `rows` (bool) keeps, renumbered from `first`."""
        numbers = np.cumsum(rows, dtype=np.int64) + (first - 1)
        tokens = np.repeat(np.repeat(self.tokens, np.diff(self.offsets)), self.counts)
        docs = np.repeat(self.docs, self.counts)
        keep = rows[docs]
        return tokens[keep], numbers[docs[keep]].astype(np.uint32)

    def slice(self, token: int) -> slice:
        """Where the rows of a token stand; empty where no row has it."""
        place = int(np.searchsorted(self.tokens, np.uint32(token)))
        if place == len(self.tokens) or self.tokens[place] != token:
            return slice(0, 0)
        return slice(int(self.offsets[place]), int(self.offsets[place + 1]))

    def scores(self, weights: Weights, average: float) -> np.ndarray:
        """(rows,) float32 BM25 of every row; `average`: mean length of the rows of the whole index, in tokens."""
        scores = np.zeros(len(self.lengths), np.float32)
        norms = _norms(self.lengths, average)
        for token, weight in weights.items():
            place = self.slice(token)
            docs, counts = self.docs[place].astype(np.intp), self.counts[place].astype(np.float32)
            scores[docs] += np.float32(weight * (K1 + 1)) * counts / (counts + norms[docs])
        return scores

    def scores_of(self, rows: np.ndarray, weights: Weights, average: float) -> np.ndarray:
        """BM25 of some rows, looked up in the postings: cheap where tokens are frequent and rows few."""
        scores = np.zeros(len(rows), np.float32)
        norms = _norms(self.lengths[rows], average)
        for token, weight in weights.items():
            place = self.slice(token)
            docs = self.docs[place]
            if len(docs) == 0:
                continue
            at = np.minimum(np.searchsorted(docs, rows.astype(np.uint32)), len(docs) - 1)
            counts = np.where(docs[at] == rows, self.counts[place][at], 0).astype(np.float32)
            scores += np.float32(weight * (K1 + 1)) * counts / (counts + norms)
        return scores


def _norms(lengths: np.ndarray, average: float) -> np.ndarray:
    return (K1 * (1 - B) + K1 * B / max(average, 1e-9) * lengths).astype(np.float32)


def query_weights(text: str, rows: int, frequencies: Callable[[list[int]], Sequence[int]]) -> dict[int, float]:
    """Token of the query → what it weighs; tokens that no row has are left out.

    The weight is (1 + ln count) · idf^p. p is 1, as in BM25, for a typed query, and grows to 2, as in the cosine of
    TF-IDF vectors, for a whole record: among hundreds of n-grams the rare ones, such as a model number, must decide.

    Args:
        rows: rows of the index.
        frequencies: how many rows have each of these tokens.
    """
    counts = Counter(analyse(text))
    known = list(counts)
    power = 1 + min(max((len(known) - SHORT) / (LONG - SHORT), 0.0), 1.0)
    return {
        token: (1 + log(counts[token])) * log1p((rows - frequency + 0.5) / (frequency + 0.5)) ** power
        for token, frequency in zip(known, frequencies(known), strict=True)
        if frequency
    }


class Query:
    """A text asked of segments, with the statistics of all of them."""

    def __init__(self, text: str, lexicons: Sequence[Lexicon]) -> None:
        self._lexicons = lexicons
        rows = sum(len(lexicon.lengths) for lexicon in lexicons)
        self._average = sum(float(lexicon.lengths.sum()) for lexicon in lexicons) / max(rows, 1)
        self._frequencies: dict[int, int] = {}
        self._weights = query_weights(text, rows, self._count)

    def scores(self) -> list[np.ndarray]:
        """BM25 (Robertson and Zaragoza, 2009) of every row of every segment."""
        return [lexicon.scores(self._weights, self._average) for lexicon in self._lexicons]

    def scores_of(self, segment: int, rows: np.ndarray) -> np.ndarray:
        """BM25 of some rows of one segment."""
        return self._lexicons[segment].scores_of(rows, self._weights, self._average)

    def promising(self) -> tuple[list[np.ndarray], bool]:
        """Scores of every row by the rarest tokens, as many as `BUDGET` postings allow; and whether these are all."""
        rare: dict[int, float] = {}
        spent = 0
        for token in sorted(self._weights, key=self._frequencies.__getitem__):
            spent += self._frequencies[token]
            if rare and spent > BUDGET:
                break
            rare[token] = self._weights[token]
        scores = [lexicon.scores(rare, self._average) for lexicon in self._lexicons]
        return scores, len(rare) == len(self._weights)

    def _count(self, tokens: list[int]) -> list[int]:
        for token in tokens:
            places = [lexicon.slice(token) for lexicon in self._lexicons]
            self._frequencies[token] = sum(place.stop - place.start for place in places)
        return [self._frequencies[token] for token in tokens]


def bm25(text: str, lexicons: Sequence[Lexicon]) -> list[np.ndarray]:
    """BM25 of every row of every segment, with the statistics of all segments."""
    return Query(text, lexicons).scores()

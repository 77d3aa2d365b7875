"""A product as the similarities see it: words, codes, numbers; and how rare each word is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec
import numpy as np

from vitrina.contracts.products import Product
from vitrina.families.layers.products import DESCRIPTION_CHARACTERS, products_of

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("left", "right")
COLUMNS = ("product_id", "title", "description", "brand", "category", "price", "currency", "attributes")

IDF_BUCKETS = 32768
SHORTEST_CODE = 4

_WORD = re.compile(r"\w+(?:[.\-/']\w+)*")
_APART = re.compile(r"[\W_]+")


class Idf:
    """How rare a word is among the products of the training data: ln((n + 1) / (products with it + 1)), hashed.

    A word never seen has the largest value, 1; one that every product has, 0.
    """

    def __init__(self, counts: np.ndarray, products: int) -> None:
        """`counts`: products that hold a word of the bucket, (buckets,)."""
        self.counts, self.products = counts, products
        self._weights = (np.log((products + 1) / (counts + 1.0)) / max(math.log(products + 1), 1e-9)).tolist()

    @classmethod
    def fitted(cls, readings: Iterable[Reading]) -> Idf:
        """The counts of a catalogue."""
        counts, products = np.zeros(IDF_BUCKETS, dtype=np.int64), 0
        for products, reading in enumerate(readings, 1):  # noqa: B007
            counts[sorted({_bucket(word) for word in reading.words})] += 1
        return cls(counts, products)

    def __call__(self, word: str) -> float:
        """0 (every product has it) to 1 (none has)."""
        return self._weights[_bucket(word)]

    def total(self, words: Iterable[str]) -> float:
        """The sum over `words`."""
        return sum(map(self, words))


def _bucket(word: str) -> int:
    return crc32(word.encode()) % IDF_BUCKETS


@dataclass
class Reading:
    """A product's texts, taken apart once however many products it is compared with."""

    product: Product

    @cached_property
    def title(self) -> str:
        """Lower case, single spaces."""
        return " ".join(self.product.title.lower().split())

    @cached_property
    def description(self) -> str:
        """Lower case; only the start of a long one."""
        return (self.product.description or "")[:DESCRIPTION_CHARACTERS].lower()

    @cached_property
    def title_words(self) -> frozenset[str]:
        return frozenset(words(self.title))

    @cached_property
    def words(self) -> frozenset[str]:
        """Of title, brand, attributes and description."""
        parts = (self.brand, *map(str.lower, self.product.attributes.values()), self.description)
        return self.title_words.union(*map(words, parts))

    @cached_property
    def trigrams(self) -> frozenset[str]:
        """Of the letters and digits of the title."""
        text = squeezed(self.title)
        return frozenset(text[i : i + 3] for i in range(len(text) - 2))

    @cached_property
    def codes(self) -> frozenset[str]:
        """What may be a model number: title words and attributes with a digit, without punctuation."""
        candidates = (*self.title_words, *map(str.lower, self.product.attributes.values()))
        return frozenset(code for code in map(squeezed, candidates) if is_code(code))

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Numbers of the title: sizes, versions, counts."""
        return frozenset(_number(text) for text in re.findall(r"\d+(?:\.\d+)?", self.title))

    @cached_property
    def letters(self) -> str:
        """All texts run together, without punctuation: a code written apart is found in it."""
        return squeezed(" ".join((self.title, *map(str.lower, self.product.attributes.values()), self.description)))

    @cached_property
    def brand(self) -> str:
        return (self.product.brand or "").strip().lower()

    @cached_property
    def category(self) -> frozenset[str]:
        return frozenset(words((self.product.category or "").lower()))


Pair = tuple[Reading, Reading]


def words(text: str) -> list[str]:
    """Words in order; a model number with dashes is one word."""
    return _WORD.findall(text)


def squeezed(text: str) -> str:
    """Only letters and digits."""
    return _APART.sub("", text)


def is_code(text: str) -> bool:
    """Whether a word without punctuation looks like a model number: long enough, with a digit."""
    return len(text) >= SHORTEST_CODE and any(map(str.isdigit, text))


def _number(text: str) -> str:
    return f"{float(text):g}"


def read_pairs(left: Sequence[Product], right: Sequence[Product]) -> list[Pair]:
    """The readings of each pair; equal products share one."""
    seen: dict[bytes, Reading] = {}
    return [(_reading(one, seen), _reading(other, seen)) for one, other in zip(left, right, strict=True)]


def _reading(product: Product, seen: dict[bytes, Reading]) -> Reading:
    return seen.setdefault(msgspec.msgpack.encode(product), Reading(product))


def read_frame(frame: pd.DataFrame) -> list[Pair]:
    """The readings of a frame with `left_…` and `right_…` columns, one pair a row."""
    left, right = (_side(frame, side) for side in SIDES)
    return read_pairs(left, right)


def _side(frame: pd.DataFrame, side: str) -> list[Product]:
    names = {f"{side}_{name}": name for name in COLUMNS if f"{side}_{name}" in frame}
    return products_of(frame[list(names)].rename(columns=names))

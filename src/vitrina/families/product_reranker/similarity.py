"""How alike two products are, by 28 numbers that need no training: words, letters, codes, numbers, price.

Every similarity is 0 or more, higher is more alike unless its name says otherwise, and -1 where a product lacks what
it compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from vitrina.families.product_reranker.reading import Idf, Reading, squeezed

UNKNOWN = -1.0
Similarity = Callable[[Reading, Reading, Idf], float]
SIMILARITIES: dict[str, Similarity] = {}


def similarities(pairs: Iterable[tuple[Reading, Reading]], idf: Idf) -> np.ndarray:
    """(pairs, similarities) float32, in the order of `SIMILARITIES`."""
    rows = [[measure(left, right, idf) for measure in SIMILARITIES.values()] for left, right in pairs]
    return np.asarray(rows, dtype=np.float32).reshape(-1, len(SIMILARITIES))


def _named(measure: Similarity) -> Similarity:
    SIMILARITIES[measure.__name__] = measure
    return measure


def jaccard(left: Set[str], right: Set[str]) -> float:
    """Shared of all; -1 when either is empty."""
    return len(left & right) / len(left | right) if left and right else UNKNOWN


def containment(left: Set[str], right: Set[str]) -> float:
    """Shared of the smaller; -1 when either is empty."""
    return len(left & right) / min(len(left), len(right)) if left and right else UNKNOWN


def covered(words: Set[str], other: Reading, idf: Idf) -> float:
    """Share of `words`, weighed by rarity, that `other` has, if need be as part of its letters; -1 when empty."""
    total = idf.total(words)
    return idf.total(word for word in words if _has(other, word)) / total if total else UNKNOWN


def cosine(left: Set[str], right: Set[str], idf: Idf) -> float:
    """Cosine of two binary TF-IDF vectors; -1 when either is empty."""
    if not left or not right:
        return UNKNOWN
    norms = sum(idf(word) ** 2 for word in left) * sum(idf(word) ** 2 for word in right)
    return sum(idf(word) ** 2 for word in left & right) / norms**0.5 if norms else 0.0


def _has(reading: Reading, word: str) -> bool:
    if word in reading.words:
        return True
    letters = squeezed(word)
    return len(letters) >= 4 and letters in reading.letters


@_named
def title_jaccard(left: Reading, right: Reading, idf: Idf) -> float:
    """Words of the titles."""
    return jaccard(left.title_words, right.title_words)


@_named
def title_containment(left: Reading, right: Reading, idf: Idf) -> float:
    """Words of the titles: one may say more than the other."""
    return containment(left.title_words, right.title_words)


@_named
def title_cosine(left: Reading, right: Reading, idf: Idf) -> float:
    """TF-IDF of the titles' words."""
    return cosine(left.title_words, right.title_words, idf)


@_named
def title_trigrams(left: Reading, right: Reading, idf: Idf) -> float:
    """Jaccard of the titles' letter trigrams."""
    return jaccard(left.trigrams, right.trigrams)


@_named
def title_trigrams_contained(left: Reading, right: Reading, idf: Idf) -> float:
    """Trigrams of the shorter title that the longer has."""
    return containment(left.trigrams, right.trigrams)


@_named
def title_jaro_winkler(left: Reading, right: Reading, idf: Idf) -> float:
    """Of the titles as they begin."""
    return JaroWinkler.similarity(left.title, right.title)


@_named
def title_sorted(left: Reading, right: Reading, idf: Idf) -> float:
    """Edit similarity of the titles with their words sorted."""
    return fuzz.token_sort_ratio(left.title, right.title) / 100


@_named
def title_set(left: Reading, right: Reading, idf: Idf) -> float:
    """Edit similarity of what the titles share and what each adds."""
    return fuzz.token_set_ratio(left.title, right.title) / 100


@_named
def title_partial(left: Reading, right: Reading, idf: Idf) -> float:
    """Edit similarity of the shorter title to its best place in the longer."""
    return fuzz.partial_ratio(left.title, right.title) / 100


@_named
def title_lengths(left: Reading, right: Reading, idf: Idf) -> float:
    """Words of the shorter title over words of the longer."""
    counts = sorted((len(left.title_words), len(right.title_words)))
    return counts[0] / counts[1] if counts[1] else UNKNOWN


@_named
def first_word(left: Reading, right: Reading, idf: Idf) -> float:
    """1 when the titles begin alike: often the brand."""
    return float(left.title.split(" ", 1)[0] == right.title.split(" ", 1)[0])


@_named
def all_jaccard(left: Reading, right: Reading, idf: Idf) -> float:
    """Words of title, brand, attributes and description."""
    return jaccard(left.words, right.words)


@_named
def all_cosine(left: Reading, right: Reading, idf: Idf) -> float:
    """TF-IDF of all words."""
    return cosine(left.words, right.words, idf)


@_named
def left_covered(left: Reading, right: Reading, idf: Idf) -> float:
    """Of the left title in all that the right product says, by rarity."""
    return covered(left.title_words, right, idf)


@_named
def right_covered(left: Reading, right: Reading, idf: Idf) -> float:
    """Of the right title in all that the left product says, by rarity."""
    return covered(right.title_words, left, idf)


@_named
def rarest_shared(left: Reading, right: Reading, idf: Idf) -> float:
    """Rarity of the rarest word that both titles have."""
    return max((idf(word) for word in left.title_words & right.title_words), default=0.0)


@_named
def rarest_missing_right(left: Reading, right: Reading, idf: Idf) -> float:
    """Rarity of the rarest word of the left title that the right product lacks; higher is less alike."""
    return max((idf(word) for word in left.title_words if not _has(right, word)), default=0.0)


@_named
def rarest_missing_left(left: Reading, right: Reading, idf: Idf) -> float:
    """Rarity of the rarest word of the right title that the left product lacks; higher is less alike."""
    return max((idf(word) for word in right.title_words if not _has(left, word)), default=0.0)


@_named
def codes_shared(left: Reading, right: Reading, idf: Idf) -> float:
    """Jaccard of what may be model numbers."""
    return jaccard(left.codes, right.codes)


@_named
def codes_closest(left: Reading, right: Reading, idf: Idf) -> float:
    """Jaro-Winkler similarity of the two most similar codes."""
    if not left.codes or not right.codes:
        return UNKNOWN
    return max(JaroWinkler.similarity(one, other) for one in left.codes for other in right.codes)


@_named
def left_codes_found(left: Reading, right: Reading, idf: Idf) -> float:
    """Share of the left codes that stand somewhere in the right product."""
    return sum(code in right.letters for code in left.codes) / len(left.codes) if left.codes else UNKNOWN


@_named
def right_codes_found(left: Reading, right: Reading, idf: Idf) -> float:
    """Share of the right codes that stand somewhere in the left product."""
    return sum(code in left.letters for code in right.codes) / len(right.codes) if right.codes else UNKNOWN


@_named
def numbers_shared(left: Reading, right: Reading, idf: Idf) -> float:
    """Jaccard of the numbers in the titles."""
    return jaccard(left.numbers, right.numbers)


@_named
def numbers_contained(left: Reading, right: Reading, idf: Idf) -> float:
    """Numbers of the title with fewer that the other has."""
    return containment(left.numbers, right.numbers)


@_named
def numbers_unshared(left: Reading, right: Reading, idf: Idf) -> float:
    """How many numbers only one title has; higher is less alike."""
    return float(len(left.numbers ^ right.numbers))


@_named
def brands(left: Reading, right: Reading, idf: Idf) -> float:
    """Similarity of the brands; where one is unknown, whether the other's stands in the title."""
    if left.brand and right.brand:
        return JaroWinkler.similarity(left.brand, right.brand)
    for one, other in ((left, right), (right, left)):
        if one.brand:
            return float(one.brand in other.title)
    return UNKNOWN


@_named
def prices(left: Reading, right: Reading, idf: Idf) -> float:
    """The lower price over the higher; -1 when one is unknown or 0, or the currencies differ."""
    known = [side.product.price for side in (left, right) if side.product.price]
    currencies = {side.product.currency for side in (left, right)} - {None}
    return min(known) / max(known) if len(known) == 2 and len(currencies) < 2 else UNKNOWN


@_named
def categories(left: Reading, right: Reading, idf: Idf) -> float:
    """Jaccard of the words of the category paths."""
    return jaccard(left.category, right.category)

"""Each similarity says what its name says, and -1 where a product lacks what it compares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from vitrina.contracts.products import Product
from vitrina.families.product_reranker.reading import Idf, Reading
from vitrina.families.product_reranker.similarity import SIMILARITIES, UNKNOWN, similarities

SHOP = ["canon camera black", "canon printer", "canon powershot camera", "sony camera", "canon lens", "canon bag"]


@pytest.fixture(scope="module")
def idf() -> Idf:
    return Idf.fitted(Reading(Product(title=title)) for title in SHOP)


def value(name: str, left: str | dict[str, Any], right: str | dict[str, Any], idf: Idf) -> float:
    sides = [Reading(Product(**({"title": side} if isinstance(side, str) else side))) for side in (left, right)]
    return SIMILARITIES[name](*sides, idf)


EXPECTED = [
    ("title_jaccard", "canon camera", "camera canon", 1.0),
    ("title_jaccard", "canon camera", "canon printer", 1 / 3),
    ("title_containment", "canon camera", "canon camera black kit", 1.0),
    ("title_cosine", "powershot", "powershot", 1.0),
    ("title_cosine", "powershot", "printer", 0.0),
    ("title_trigrams", "SD-1100", "sd1100", 1.0),
    ("title_trigrams_contained", "sd1100", "canon sd1100 camera", 1.0),
    ("title_jaro_winkler", "canon camera", "canon camera", 1.0),
    ("title_jaro_winkler", "abc", "xyz", 0.0),
    ("title_sorted", "camera canon", "Canon  Camera", 1.0),
    ("title_set", "canon camera", "canon camera black", 1.0),
    ("title_partial", "camera", "canon camera black", 1.0),
    ("title_lengths", "canon", "canon camera black kit", 0.25),
    ("first_word", "canon camera", "canon lens", 1.0),
    ("first_word", "camera canon", "canon lens", 0.0),
    ("all_jaccard", {"title": "lens", "brand": "canon"}, "canon lens", 1.0),
    ("all_cosine", {"title": "lens", "description": "Canon"}, "canon lens", 1.0),
    ("left_covered", "camera", {"title": "kit", "description": "a camera inside"}, 1.0),
    ("left_covered", "dsc-w80", {"title": "sony dscw80"}, 1.0),
    ("left_covered", "camera", "printer", 0.0),
    ("right_covered", {"title": "kit", "description": "a camera inside"}, "camera", 1.0),
    ("rarest_shared", "unseen thing", "unseen other", 1.0),
    ("rarest_shared", "camera", "printer", 0.0),
    ("rarest_missing_right", "canon unseen", "canon", 1.0),
    ("rarest_missing_right", "canon", "canon unseen", 0.0),
    ("rarest_missing_left", "canon", "canon unseen", 1.0),
    ("codes_shared", {"title": "camera", "attributes": {"model": "SD-1100"}}, "camera sd1100", 1.0),
    ("codes_shared", "camera sd1100", "camera sd1200", 0.0),
    ("codes_shared", "camera 12mp sd1100", "camera", UNKNOWN),
    ("codes_closest", "camera sd1100", "camera sd1100", 1.0),
    ("left_codes_found", "camera sd1100", {"title": "camera", "description": "model SD 1100 IS"}, 1.0),
    ("left_codes_found", "camera sd1100", "camera", 0.0),
    ("left_codes_found", "camera", "camera sd1100", UNKNOWN),
    ("right_codes_found", "camera", "camera sd1100", 0.0),
    ("numbers_shared", "office 2.0 for 3 users", "office 2 for 3 users", 1.0),
    ("numbers_shared", "office 4.0", "office 5.0", 0.0),
    ("numbers_contained", "office 4", "office 4 for 3 users", 1.0),
    ("numbers_unshared", "office 4 for 3 users", "office 5 for 3 users", 2.0),
    ("brands", {"title": "a", "brand": "Canon"}, {"title": "b", "brand": "canon"}, 1.0),
    ("brands", {"title": "a", "brand": "Canon"}, "canon lens", 1.0),
    ("brands", "sony lens", {"title": "a", "brand": "Canon"}, 0.0),
    ("brands", "canon", "canon", UNKNOWN),
    ("prices", {"title": "a", "price": 50.0}, {"title": "b", "price": 100.0}, 0.5),
    ("prices", {"title": "a", "price": 0.0}, {"title": "b", "price": 100.0}, UNKNOWN),
    (
        "prices",
        {"title": "a", "price": 50.0, "currency": "EUR"},
        {"title": "b", "price": 50.0, "currency": "USD"},
        UNKNOWN,
    ),
    ("categories", {"title": "a", "category": "Shoes > Boots"}, {"title": "b", "category": "boots"}, 0.5),
    ("categories", "a", {"title": "b", "category": "boots"}, UNKNOWN),
]


@pytest.mark.parametrize(("name", "left", "right", "expected"), EXPECTED)
def test_a_similarity_is_what_its_name_says(
    name: str, left: str | dict[str, Any], right: str | dict[str, Any], expected: float, idf: Idf
) -> None:
    assert value(name, left, right, idf) == pytest.approx(expected)


def test_every_similarity_has_an_expected_value_above() -> None:
    assert {name for name, *_ in EXPECTED} == set(SIMILARITIES)


def test_a_table_has_one_finite_row_a_pair_even_for_odd_products(idf: Idf) -> None:
    odd = [Product(title=""), Product(title="!!! ..."), Product(title="x" * 1000), Product(title="日本 カメラ ñandú")]
    readings = [Reading(product) for product in odd]
    table = similarities([(left, right) for left in readings for right in readings], idf)
    assert table.shape == (16, len(SIMILARITIES))
    assert np.isfinite(table).all()
    assert ((table >= 0) | (table == UNKNOWN)).all()
    assert similarities([], idf).shape == (0, len(SIMILARITIES))


def test_rare_words_weigh_more_and_unseen_ones_most(idf: Idf) -> None:
    assert 0 < idf("canon") < idf("camera") < idf("powershot") < idf("unseen") == pytest.approx(1)
    assert idf("canon") == pytest.approx(math.log(7 / 6) / math.log(7))


def test_a_pair_that_shares_its_rare_word_is_more_alike_than_one_that_shares_a_common_word(idf: Idf) -> None:
    rare = value("title_cosine", "canon powershot", "sony powershot", idf)
    common = value("title_cosine", "canon powershot", "canon lens", idf)
    assert rare > common

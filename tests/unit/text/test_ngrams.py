from __future__ import annotations

import numpy as np

from vitrina.text.ngrams import NgramHasher


def test_buckets_lie_between_one_and_the_size_of_the_table() -> None:
    table = NgramHasher(97).batch(["Peter England men's white shirt", "DSC-W830/B", ""])
    assert table.dtype == np.int64
    assert table.min() >= 0
    assert table.max() <= 97
    assert not table[2].any()


def test_the_same_text_gives_the_same_buckets_in_every_process() -> None:
    assert NgramHasher(1000, sizes=(3, 3))("red mug") == [456, 142, 456, 690, 410, 728, 410, 827, 775]


def test_case_and_punctuation_do_not_matter_but_order_does() -> None:
    hasher = NgramHasher(100_000)
    assert hasher("Red, MUG!") == hasher("red mug")
    assert set(hasher("mug red")) != set(hasher("red mug"))


def test_a_long_text_is_cut() -> None:
    assert len(NgramHasher(1000, limit=50)("word " * 1000)) == 50


def test_no_texts_give_an_empty_table() -> None:
    assert NgramHasher(10).batch([]).shape == (0, 1)

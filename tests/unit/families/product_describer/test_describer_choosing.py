"""The choice among candidates."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.product_describer.checker import Check
from vitrina.families.product_describer.choosing import Candidate, expected_utilities


def candidate(
    text: str, *, missing: tuple[str, ...] = (), unmet: tuple[str, ...] = (), utility: float = 0.5
) -> Candidate:
    return Candidate(text, -0.5, utility, Check(missing), unmet)


def test_faithfulness_comes_before_keywords_and_wishes_before_likeness() -> None:
    found = [
        candidate("a", missing=("food",), utility=0.9),
        candidate("b", unmet=("oak",), utility=0.8),
        candidate("c", utility=0.1),
        candidate("d", utility=0.2),
    ]
    assert [each.text for each in sorted(found, key=lambda each: each.rank)] == ["d", "c", "b", "a"]


def test_the_text_most_like_the_others_has_the_highest_expected_utility() -> None:
    texts = [
        text.split() for text in ("a red oak chair for you", "a red oak chair for all", "buy this now or never ever")
    ]
    utilities = expected_utilities(texts, texts)
    assert utilities.argmin() == 2
    assert ((utilities > 0) & (utilities <= 1)).all()


def test_equal_texts_have_utility_one_and_weights_are_shares() -> None:
    text = ["a", "red", "oak", "chair"]
    assert expected_utilities([text], [text, text], np.array([3.0, 1.0]))[0] == pytest.approx(1.0)
    leaning = expected_utilities([text], [text, ["other", "words"]], np.array([3.0, 1.0]))[0]
    assert leaning == pytest.approx(0.75)

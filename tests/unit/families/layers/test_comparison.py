"""What a card says of a recommender beside simple ones."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.layers.comparison import Compared, comparison_section


def compared(name: str, mean: float, *, own: bool = False) -> Compared:
    values = np.clip(np.random.default_rng(0).normal(mean, 0.05, 400), 0, 1)
    return Compared(name, values, values, None if own else 2.0, own)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (0.5, "This model beats the best simple recommender, ease: +10.00 points"),
        (0.3, "**This model does not beat the best simple recommender, ease**: -10.00 points"),
        (0.4, "**This model is not shown to beat the best simple recommender, ease**"),
    ],
)
def test_a_card_says_who_wins(ours: float, said: str) -> None:
    rows = [compared("mine", ours, own=True), compared("a part", 0.9, own=True)]
    section = comparison_section([*rows, compared("ease", 0.4), compared("popularity", 0.1)], 400)
    assert said in section
    order = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][2:]
    assert order[0] == "a part"
    assert order[-1] == "popularity"

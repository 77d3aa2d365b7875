"""What the attention is told of a history."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.graph_recommender.reading import DAY, padded_readings, read
from vitrina.recommendation.histories import NOTHING, History


def history(*events: tuple[int, float, float]) -> History:
    items, days, weights = zip(*events, strict=True)
    return History(np.array(items, np.int32), np.array(days) * DAY, np.array(weights, np.float32))


def test_a_product_is_read_once_by_its_last_event_with_the_strength_of_all() -> None:
    reading = read(history((7, 0, 1), (3, 1, 1), (7, 3, 4)), 50)
    assert reading.items.tolist() == [3, 7]
    assert reading.features[:, 0].tolist() == [0.25, 1.25]
    assert reading.features[:, 1] == pytest.approx([np.log1p(2), 0])
    assert reading.features[:, 2] == pytest.approx([np.log1p(1), 0])


def test_what_was_disliked_is_no_reason() -> None:
    assert read(history((7, 0, 1), (3, 1, 1), (7, 2, -4)), 50).items.tolist() == [3]


def test_only_the_last_products_are_read_and_strength_is_capped() -> None:
    reading = read(history((1, 0, 1), (2, 1, 40), (3, 2, 1)), 2)
    assert reading.items.tolist() == [2, 3]
    assert reading.features[0, 0] == 2


def test_an_empty_history_is_an_empty_reading_and_pads() -> None:
    items, features, present = padded_readings([read(NOTHING, 5), read(history((4, 0, 1)), 5)])
    assert items.tolist() == [[0], [4]]
    assert present.tolist() == [[False], [True]]
    assert features.shape == (2, 1, 3)

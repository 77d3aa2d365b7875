from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vitrina.errors import ArtifactError, DataError
from vitrina.recommendation.events import event_weights
from vitrina.recommendation.histories import Histories, History, batch_matrix, histories_of, history_of

PRODUCTS = ["a", "b", "c"]


def table(*rows: tuple[str, str, str, float | None, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "value", "timestamp"])
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True))


SMALL = table(
    ("u2", "b", "purchase", 1, "2024-01-02"),
    ("u1", "c", "rating", 1, "2024-01-03"),
    ("u1", "a", "view", None, "2024-01-01"),
    ("u1", "c", "view", None, "2024-01-02"),
    ("u1", "a", "view", None, "2024-01-01"),
    ("u3", "z", "view", None, "2024-01-01"),
)


def test_histories_are_sorted_and_repeats_unknown_products_and_empty_users_vanish(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = histories_of(SMALL, PRODUCTS)
    assert found.users == ["u1", "u2"]
    assert found.of("u1").items.tolist() == [0, 2, 2]
    assert found.of("u1").weights.tolist() == pytest.approx([1.0, 1.0, -2.4])
    assert found.of("u2").times.tolist() == [pd.Timestamp("2024-01-02", tz="UTC").timestamp()]
    assert len(found.of("u3")) == len(found.of("nobody")) == 0
    assert "1 of 6 events are of products that the catalogue does not have" in caplog.text
    assert "1 of 5 events repeat another one exactly" in caplog.text


def test_what_was_disliked_more_than_liked_is_not_in_the_matrix() -> None:
    found = histories_of(SMALL, PRODUCTS)
    assert found.matrix().toarray().tolist() == [[1, 0, 0], [0, 1, 0]]
    assert (batch_matrix(found.all(), 3) != found.matrix()).nnz == 0
    assert batch_matrix([], 3).shape == (0, 3)


def test_arrow_and_pandas_give_the_same_histories() -> None:
    frame, arrow = histories_of(SMALL, PRODUCTS), histories_of(pa.Table.from_pandas(SMALL), PRODUCTS)
    assert frame.users == arrow.users
    for name in ("offsets", "items", "times", "weights"):
        assert np.array_equal(getattr(frame, name), getattr(arrow, name))


def test_events_after_the_end_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    until = pd.Timestamp("2024-01-01T12:00", tz="UTC").timestamp()
    with caplog.at_level(logging.WARNING):
        found = histories_of(SMALL, PRODUCTS, until=until)
    assert found.users == ["u1"]
    assert "3 of 6 events lie in the future" in caplog.text
    tomorrow = table(("u1", "a", "view", None, "2099-01-01"), ("u1", "b", "view", None, "2024-01-01"))
    assert histories_of(tomorrow, PRODUCTS).of("u1").items.tolist() == [1]
    with pytest.raises(DataError, match="No event is left"):
        histories_of(tomorrow[:1], PRODUCTS)


def test_a_user_with_fifty_thousand_events_keeps_the_last_ones(caplog: pytest.LogCaptureFixture) -> None:
    count = 50_000
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(count), unit="s")
    bot = pd.DataFrame({"user_id": "bot", "product_id": "a", "event": "view", "value": 1.0, "timestamp": times})
    with caplog.at_level(logging.WARNING):
        found = histories_of(pd.concat([bot, SMALL]), PRODUCTS, longest=500)
    assert len(found.of("bot")) == 500
    assert found.of("bot").times[-1] == times[-1].timestamp()
    assert len(found.of("u1")) == 3
    assert "1 users have more than 500 events" in caplog.text


def test_histories_come_back_memory_mapped_and_damage_is_said(tmp_path: Path) -> None:
    found = histories_of(SMALL, PRODUCTS)
    found.save(tmp_path / "histories")
    again = Histories.load(tmp_path / "histories")
    assert isinstance(again.items, np.memmap)
    assert again.of("u1").items.tolist() == [0, 2, 2]
    assert again.products == PRODUCTS
    np.save(tmp_path / "histories" / "items.npy", np.zeros(2, dtype=np.int32))
    with pytest.raises(ArtifactError, match="damaged"):
        Histories.load(tmp_path / "histories")
    (tmp_path / "histories" / "items.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="cannot be read"):
        Histories.load(tmp_path / "histories")


def test_columns_that_lack_and_events_that_nobody_knows_are_named() -> None:
    with pytest.raises(DataError, match="lack the column event"):
        histories_of(SMALL.drop(columns="event"), PRODUCTS)
    with pytest.raises(DataError, match="Unknown event wish"):
        event_weights(["wish"], [None])


def test_a_history_from_a_request_knows_what_was_bought() -> None:
    history = history_of({"a": 0, "b": 1}, ["a", "x", "b", "b"], [1, 2, 3, 4], ["view", "view", "cart", "purchase"])
    assert history.items.tolist() == [0, 1, 1]
    assert history.bought.tolist() == [1]
    assert history.distinct.tolist() == [0, 1]
    disliked = history_of({"a": 0}, ["a"], [9.0], ["rating"], [1.0])
    assert disliked.bought.tolist() == [0]
    assert disliked.weights[0] < 0


def test_histories_join_in_order_of_time() -> None:
    old = History(np.array([0, 1]), np.array([1.0, 5.0]), np.array([1.0, 4.0]))
    new = History(np.array([2]), np.array([3.0]), np.array([2.0]))
    both = old.then(new)
    assert both.items.tolist() == [0, 2, 1]
    assert both.before(5.0).items.tolist() == [0, 2]
    assert both.last(1).items.tolist() == [1]

"""Visits: who came last, with the history of that moment."""

from __future__ import annotations

import pandas as pd

from vitrina.recommendation.events import read_events
from vitrina.recommendation.visits import visits


def shop() -> pd.DataFrame:
    """Twenty events: an old customer who comes again and again, and one whose only visit is the last event."""
    rows = [("old", f"p{day}", "view", float(day)) for day in range(19)] + [("new", "p0", "purchase", 19.0)]
    return pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])


def test_a_visit_has_the_history_before_it_and_new_users_have_none() -> None:
    events = read_events(shop(), [f"p{day}" for day in range(19)])
    rows = visits(events, 10, seed=1).to_pylist()
    by_user = {row["user_id"]: row for row in rows}
    assert by_user["new"]["history"] == []
    assert by_user["old"]["history"] == [f"p{day}" for day in range(18)]
    assert by_user["old"]["history_times"] == [float(day) for day in range(18)]
    assert len(rows) == 2  # the last tenth of twenty events


def test_events_of_one_moment_are_one_visit_and_long_histories_are_cut() -> None:
    frame = shop()
    frame.loc[18, "timestamp"] = 17.0
    events = read_events(frame, [f"p{day}" for day in range(19)])
    rows = visits(events, 10, seed=1, longest=3).to_pylist()
    assert [row["history"] for row in rows if row["user_id"] == "old"] == [["p14", "p15", "p16"]] * 2


def test_as_many_are_drawn_as_asked_for_and_the_same_again() -> None:
    events = read_events(shop(), [f"p{day}" for day in range(19)])
    assert len(visits(events, 1, seed=3)) == 1
    one, other = (visits(events, 2, seed=3).drop(["history_values"]) for _ in range(2))
    assert one.equals(other)

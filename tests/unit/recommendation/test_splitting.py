from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.data.splits import read_split
from vitrina.errors import DataError, UsageError
from vitrina.recommendation.splitting import Splits, example_histories, example_targets, split

PRODUCTS = [f"p{number}" for number in range(100)]
START = pd.Timestamp("2024-01-01", tz="UTC")


def events(rows: list[tuple[str, str, float]], event: str = "view") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "product_id", "day"])
    times = START + pd.to_timedelta(frame.pop("day"), unit="D")
    return frame.assign(event=event, value=np.nan, timestamp=times)


def row(part: pd.DataFrame, user: str) -> tuple[list[str], list[str]]:
    found = part.set_index("user_id").loc[user]
    return list(found["history"]), list(found["targets"])


def frames(parts: Splits) -> dict[str, pd.DataFrame]:
    return {name: getattr(parts, name).to_pandas() for name in ("train", "recent", "validation", "test")}


def test_leave_one_out_asks_for_the_last_product_and_hides_all_its_events() -> None:
    rows = [("u", f"p{place}", float(place)) for place in range(5)]
    repeated = events(
        [*rows, ("u", "p4", 5.0), ("u", "p3", 6.0), ("u", "p0", 2.5), ("short", "p1", 0), ("short", "p2", 1)]
    )
    found = frames(split(repeated, PRODUCTS, "leave_one_out"))
    assert row(found["validation"], "u") == (["p0", "p1", "p2", "p0"], ["p3"])
    assert row(found["test"], "u") == (["p0", "p1", "p2", "p0", "p3"], ["p4"])
    assert found["train"]["product_id"].tolist() == ["p1", "p2", "p0", "p1", "p2", "p0"]
    assert found["recent"]["product_id"].tolist() == ["p3"]
    assert set(found["test"]["user_id"]) == {"u"}


def test_time_splits_the_table_at_two_moments_and_asks_for_new_products() -> None:
    rows = [(f"u{day % 3}", f"p{day}", float(day)) for day in range(100)]
    found = frames(split(events(rows), PRODUCTS, "time"))
    assert found["train"]["timestamp"].max() < START + pd.Timedelta(days=80)
    assert found["recent"]["timestamp"].min() == START + pd.Timedelta(days=80)
    assert len(found["recent"]) == 10
    late = START + pd.Timedelta(days=90)
    for _, test in found["test"].iterrows():
        assert max(test["history_times"]) < late.timestamp()
        assert not set(test["history"]) & set(test["targets"])


def test_a_user_first_seen_in_the_part_is_new_and_few_products_are_light() -> None:
    rows = [("old", f"p{day}", float(day)) for day in range(90)]
    rows += [("light", "p1", 1.0), ("light", "p2", 95.0), ("new", "p3", 96.0), ("old", "p95", 97.0)]
    test = split(events(rows), PRODUCTS, "time").test.to_pandas().set_index("user_id")
    assert test["segment"].to_dict() == {"light": "light", "new": "new", "old": "heavy"}
    assert len(test.loc["new", "history"]) == 0


def test_random_holds_out_a_share_of_each_user_and_repeats_itself() -> None:
    rows = [(f"u{user}", f"p{product}", float(product)) for user in range(20) for product in range(20)]
    first, second = (frames(split(events(rows), PRODUCTS, "random", fraction=0.2)) for _ in range(2))
    assert [len(row) for row in first["test"]["targets"]] == [4] * 20
    assert [len(row) for row in first["validation"]["targets"]] == [4] * 20
    assert [len(row) for row in first["test"]["history"]] == [16] * 20
    assert len(first["train"]) == 20 * 12
    for name in first:
        pd.testing.assert_frame_equal(first[name], second[name])


def test_what_was_disliked_is_no_target() -> None:
    rows = [("u", f"p{place}", float(place)) for place in range(9)]
    disliked = events([("u", "p20", 9.0), ("v", "p21", 8.0)], "rating").assign(value=1.0)
    liked = events([("v", "p1", 9.5), ("v", "p2", 8.2), ("u", "p22", 8.6)])
    with pytest.raises(DataError, match="validation part is empty"):
        split(pd.concat([events(rows), disliked]), PRODUCTS, "time")
    test = split(pd.concat([events(rows), disliked, liked]), PRODUCTS, "time", fraction=0.25).test.to_pandas()
    assert row(test, "u")[1] == ["p22"]


def test_parts_are_saved_and_read_as_histories(tmp_path: Path) -> None:
    rows = [("u", f"p{place}", float(place)) for place in range(5)]
    rated = events([("u", "p9", 0.5)], "rating").assign(value=1.0)
    split(pd.concat([events(rows), rated]), PRODUCTS, "leave_one_out").save(tmp_path)
    test = read_split(tmp_path, "test")
    places = {product: place for place, product in enumerate(PRODUCTS) if product != "p2"}
    (history,) = example_histories(test, places)
    assert history.items.tolist() == [0, 9, 1, 3]
    assert history.weights.tolist() == pytest.approx([1, -2.4, 1, 1])
    assert example_targets(test, places)[0].tolist() == [4]
    del places["p4"]
    assert example_targets(test, places)[0].tolist() == [-2]


def test_a_history_keeps_its_last_events() -> None:
    rows = [("u", f"p{place}", float(place)) for place in range(9)]
    test = split(events(rows), PRODUCTS, "leave_one_out", longest=3).test.to_pandas()
    assert row(test, "u") == (["p5", "p6", "p7"], ["p8"])


def test_wrong_arguments_are_refused() -> None:
    rows = events([("u", "p1", 1.0)])
    with pytest.raises(UsageError, match="no split 'weekly'"):
        split(rows, PRODUCTS, "weekly")
    with pytest.raises(UsageError, match="between 0 and 0.5"):
        split(rows, PRODUCTS, "time", fraction=0.5)
    with pytest.raises(DataError, match="is empty"):
        split(rows, PRODUCTS, "leave_one_out")

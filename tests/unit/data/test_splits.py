"""Held out once, held out for ever."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.data.splits import assign_splits
from vitrina.errors import UsageError

HELD_OUT = {"validation": 0.1, "test": 0.2}


def texts(count: int) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"message number {number}" for number in range(count)]})


def test_shares_are_what_was_asked() -> None:
    shares = assign_splits(texts(5000), ["text"], HELD_OUT, seed=7).value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.7, abs=0.02)
    assert shares["validation"] == pytest.approx(0.1, abs=0.02)
    assert shares["test"] == pytest.approx(0.2, abs=0.02)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=20), st.randoms())
def test_a_row_stays_in_its_split_whatever_else_the_table_holds(rows: list[str], random: object) -> None:
    alone = assign_splits(pd.DataFrame({"text": rows}), ["text"], HELD_OUT, seed=7)
    more = [*rows, "another", "and one more"]
    random.shuffle(more)  # type: ignore[attr-defined]
    later = assign_splits(pd.DataFrame({"text": more}), ["text"], HELD_OUT, seed=7)
    assert dict(zip(rows, alone, strict=True)).items() <= dict(zip(more, later, strict=True)).items()


def test_case_and_spaces_do_not_part_equal_messages() -> None:
    frame = pd.DataFrame({"text": ["Where is it?", "where  is IT?", " where is it? "]})
    assert assign_splits(frame, ["text"], HELD_OUT, seed=1).nunique() == 1


def test_a_group_is_kept_together() -> None:
    frame = pd.DataFrame({"user_id": [f"u{n % 50}" for n in range(1000)], "text": range(1000)})
    splits = assign_splits(frame, ["user_id"], HELD_OUT, seed=7)
    assert (splits.groupby(frame["user_id"]).nunique() == 1).all()
    assert splits.nunique() == 3


def test_given_splits_are_respected_and_equal_content_follows_them() -> None:
    frame = texts(300).assign(split="")
    plain = assign_splits(frame, ["text"], HELD_OUT, seed=7)
    trained = plain[plain == "train"].index[0]
    published = pd.DataFrame({"text": [frame.loc[trained, "text"].upper()], "split": ["test"]})
    together = assign_splits(pd.concat([frame, published], ignore_index=True), ["text"], HELD_OUT, seed=7)
    assert together.iloc[-1] == "test"
    assert together[trained] == "test"
    assert (together.drop([trained, 300]) == plain.drop(trained)).all()


def test_another_validation_share_moves_no_test_row() -> None:
    small = assign_splits(texts(2000), ["text"], {"validation": 0.05, "test": 0.2}, seed=7)
    large = assign_splits(texts(2000), ["text"], {"validation": 0.3, "test": 0.2}, seed=7)
    assert ((small == "test") == (large == "test")).all()
    assert set(small.index[small == "validation"]) < set(large.index[large == "validation"])


def test_another_seed_draws_anew() -> None:
    one, two = (assign_splits(texts(500), ["text"], HELD_OUT, seed=seed) for seed in (1, 2))
    assert (one != two).mean() > 0.2


@pytest.mark.parametrize("fractions", [{"test": 1.0}, {"validation": 0.6, "test": 0.4}, {"test": -0.1}])
def test_impossible_shares_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="less than 1"):
        assign_splits(texts(3), ["text"], fractions, seed=7)

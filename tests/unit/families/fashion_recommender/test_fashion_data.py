from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vitrina.errors import DataError
from vitrina.families.fashion_recommender import data
from vitrina.families.fashion_recommender.configuration import Options


@pytest.fixture(scope="module")
def splits(fashion_data: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(fashion_data / f"{name}.parquet") for name in data.SPLITS}


@pytest.fixture(scope="module")
def times(fashion_data: Path) -> pd.Series:
    reviews = pd.read_parquet(fashion_data / data.REVIEWS)
    return reviews.set_index("review_id")["timestamp"]


def test_later_splits_are_later_in_time(splits: dict[str, pd.DataFrame]):
    train, validation, test = (splits[name]["timestamp"] for name in data.SPLITS)
    assert train.max() < validation.min() <= validation.max() < test.min()
    assert len(test) / (len(train) + len(validation) + len(test)) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("side", ["user", "product"])
def test_the_review_that_is_told_is_never_in_its_own_history(
    splits: dict[str, pd.DataFrame], times: pd.Series, side: str
):
    seen = 0
    for row in splits["train"].itertuples():
        history = getattr(row, f"{side}_history")
        assert row.row_id not in history
        assert (times[list(history)] < row.timestamp).all()
        seen += len(history)
    assert seen > 100


@pytest.mark.parametrize("split", ["validation", "test"])
def test_histories_of_a_held_out_split_end_where_it_begins(
    splits: dict[str, pd.DataFrame], times: pd.Series, split: str
):
    rows = splits[split]
    assert rows["known_until"].nunique() == 1
    assert rows["known_until"].iloc[0] <= rows["timestamp"].min()
    known = [name for history in rows["product_history"] for name in history]
    assert (times[known] < rows["known_until"].iloc[0]).all()
    assert len(known)


def test_examples_carry_reviews_content_and_photo(fashion_data: Path):
    examples = data.read_examples(fashion_data, "test")
    with_past = examples[examples["user_history"].map(len) > 0].iloc[0]
    assert set(data.REVIEW) <= set(with_past["user_history"][0])
    assert with_past["history"] == [review["product_id"] for review in with_past["user_history"]]
    assert with_past["jpeg"][:2] == b"\xff\xd8"
    assert isinstance(with_past["title"], str)


def test_reviews_without_time_or_known_product_are_left_out(fashion_shop: dict[str, Path], tmp_path: Path):
    reviews = pd.read_parquet(fashion_shop["reviews"])
    changed = reviews.copy()
    changed.loc[:2, "product_id"] = "nowhere"
    changed.loc[3:4, "timestamp"] = pd.NaT
    changed.to_parquet(tmp_path / "reviews.parquet")
    data.prepare({**fashion_shop, "reviews": tmp_path / "reviews.parquet"}, tmp_path, Options(), 7)
    assert len(pd.read_parquet(tmp_path / data.REVIEWS)) == len(reviews) - 5


def test_reviews_without_any_time_are_refused_in_a_sentence(fashion_shop: dict[str, Path], tmp_path: Path):
    reviews = pd.read_parquet(fashion_shop["reviews"])
    reviews.assign(timestamp=pd.Series(pd.NaT, index=reviews.index, dtype="datetime64[us, UTC]")).to_parquet(
        tmp_path / "reviews.parquet"
    )
    with pytest.raises(DataError, match="has 0 reviews with a time.*the split is by time"):
        data.prepare({**fashion_shop, "reviews": tmp_path / "reviews.parquet"}, tmp_path, Options(), 7)


def test_a_history_keeps_the_latest_reviews(fashion_shop: dict[str, Path], tmp_path: Path):
    data.prepare(fashion_shop, tmp_path, Options(history=2), 7)
    rows = pd.read_parquet(tmp_path / "test.parquet")
    assert rows["product_history"].map(len).max() == 2


def test_a_file_of_customers_is_read_and_one_without_them_refused(tmp_path: Path):
    pd.DataFrame({"user_id": ["u1"]}).to_csv(tmp_path / "asked.csv", index=False)
    assert data.read_examples(tmp_path / "asked.csv", "test")["row_id"].tolist() == ["0"]
    pd.DataFrame({"name": ["u1"]}).to_csv(tmp_path / "wrong.csv", index=False)
    with pytest.raises(DataError, match="user_id"):
        data.read_examples(tmp_path / "wrong.csv", "test")

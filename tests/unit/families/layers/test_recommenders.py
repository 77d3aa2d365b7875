"""What recommenders share: prepared shops, histories of rows, and checks that notice what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.artifacts import write_json
from vitrina.errors import ArtifactError, DataError
from vitrina.families.layers.recommender_metrics import behaviour, evaluate_recommender
from vitrina.families.layers.recommenders import (
    ShopRecommender,
    prepare_shop,
    read_questions,
    training_histories,
    write_shop,
)
from vitrina.recommendation.histories import History
from vitrina.recommendation.ranking import best
from vitrina.recommendation.shelf import Asked, Ranked, Shelf


class ByCategory(ShopRecommender):
    """Recommends from the category of the last product, popular ones first; `broken` names a promise it breaks."""

    broken = ""

    def rank(self, asked: Sequence[Asked], shelf: Shelf) -> list[Ranked]:
        return [self._one(one, shelf) for one in asked]

    def _one(self, one: Asked, shelf: Shelf) -> Ranked:
        shelf = self.shelf if self.broken == "withdrawn_stays_away" else shelf
        scores = np.where(shelf.allowed(one.filters), self.popularity, -np.inf)
        cold = not len(one.history)
        if not cold and self.broken != "fresh_event":
            last = shelf.categories[one.history.items[-1]]
            scores += [2.0 * (category == last) for category in shelf.categories]
        if self.broken != "bought_stays_away":
            scores[one.excluded] = -np.inf
        places = best(scores, one.k)
        if self.broken == "prefix" and one.k > 10:
            places = places[::-1]
        return Ranked(places, scores[places], cold and self.broken != "unknown_user")

    def vectors(self, histories: Sequence[History], users: Sequence[str | None]) -> np.ndarray:
        return np.array([[len(history)] for history in histories], dtype=np.float32)


@pytest.fixture(scope="module")
def data(recommender_shop: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    prepare_shop(recommender_shop, folder, how="time", fraction=0.1, longest=50, seed=7)
    return folder


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_shop(data, folder, training_histories(data, 50))
    write_json(folder / "labels.json", {})
    return folder


@pytest.fixture
def recommender(folder: Path) -> ByCategory:
    return ByCategory(folder)


@pytest.fixture
def rows(data: Path) -> pd.DataFrame:
    return read_questions(data, "validation")


def test_the_folder_holds_all_histories_and_training_holds_fewer(data: Path, recommender: ByCategory) -> None:
    training = training_histories(data, 50)
    assert len(recommender.histories) > len(training)
    assert recommender.histories.times.max() > training.times.max()
    assert max(len(each) for each in recommender.histories.all()) <= 50
    np.testing.assert_array_equal(recommender.customers, np.asarray(training.matrix().sum(0)).ravel())


def test_a_row_brings_its_own_history_else_the_folders_counts(recommender: ByCategory, rows: pd.DataFrame) -> None:
    user = rows["user_id"].iloc[0]
    [own] = recommender.histories_in(rows.head(1))
    assert [recommender.shelf.ids[place] for place in own.items] == list(rows["history"].iloc[0])
    [stored] = recommender.histories_in(pd.DataFrame({"user_id": [user]}))
    assert len(stored) > len(own)
    mixed = pd.DataFrame({"user_id": [user, user], "history": [["p000001", "nowhere", "p000002"], None]})
    found = recommender.histories_in(mixed)
    assert found[0].items.tolist() == [recommender.shelf.places["p000001"], recommender.shelf.places["p000002"]]
    assert len(found[1]) == len(stored)


def test_a_file_of_users_is_read_and_one_without_is_refused(recommender: ByCategory, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    pd.DataFrame({"user_id": ["u000001", "stranger"]}).to_csv(path, index=False)
    frame = recommender.predict_frame(read_questions(path, "test"))
    assert frame["cold_start"].tolist()[1] is True
    assert [len(shown) for shown in frame["shown"]] == [10, 10]
    pd.DataFrame({"customer": [1]}).to_csv(path, index=False)
    with pytest.raises(DataError, match="user_id"):
        read_questions(path, "test")


def test_the_log_columns_say_what_was_shown(recommender: ByCategory, rows: pd.DataFrame) -> None:
    frame = recommender.predict_frame(rows)
    first = frame.iloc[0]
    place = recommender.shelf.places[first["shown"][0]]
    assert first["label"] == recommender.shelf.categories[place]
    assert (frame["popularity"].between(0, 1)).all()
    assert set(frame["segment"]) <= {"new", "light", "heavy"}


def test_quality_is_measured_on_products_that_are_new_to_the_user(recommender: ByCategory, rows: pd.DataFrame) -> None:
    found = evaluate_recommender(recommender, rows)
    assert 0 < found.metrics["ndcg_at_10"] < 1
    assert found.metrics["ndcg_at_10"] == pytest.approx(found.rows["score"].mean())
    assert found.metrics["ndcg_at_10_low"] <= found.metrics["ndcg_at_10"] <= found.metrics["ndcg_at_10_high"]
    assert {each["value"] for each in found.slices} <= {"new", "light", "heavy"}
    lists = recommender.ranked(rows, 20, seen=True)
    for ranked, history in zip(lists, recommender.histories_in(rows), strict=True):
        assert not set(ranked.places.tolist()) & set(history.items.tolist())
    with pytest.raises(DataError, match="targets"):
        evaluate_recommender(recommender, rows.drop(columns="targets"))


def test_a_recommender_that_keeps_its_promises_passes_the_checks(recommender: ByCategory, rows: pd.DataFrame) -> None:
    rates = {each["check"]: each["rate"] for each in behaviour(recommender, rows)}
    assert rates.pop("fresh_event") >= 0.9  # it may be of the category that was last anyhow
    assert rates == dict.fromkeys(("bought_stays_away", "withdrawn_stays_away", "unknown_user", "prefix"), 1.0)


@pytest.mark.parametrize(
    "promise", ["bought_stays_away", "withdrawn_stays_away", "unknown_user", "fresh_event", "prefix"]
)
def test_a_broken_promise_is_noticed(promise: str, recommender: ByCategory, rows: pd.DataFrame) -> None:
    recommender.broken = promise
    rates = {each["check"]: each["rate"] for each in behaviour(recommender, rows)}
    assert rates[promise] < 0.5, rates


def test_a_folder_whose_files_do_not_agree_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "model")
    np.save(copy / "popularity.npy", np.zeros(3))
    with pytest.raises(ArtifactError, match="do not agree"):
        ByCategory(copy)
    (copy / "popularity.npy").unlink()
    with pytest.raises(ArtifactError, match="popularity"):
        ByCategory(copy)


def test_a_catalogue_that_names_a_product_twice_is_refused(recommender_shop: dict[str, Path], tmp_path: Path) -> None:
    twice = pd.read_parquet(recommender_shop["catalogue"])
    pd.concat([twice, twice.head(1)]).to_parquet(tmp_path / "catalogue.parquet")
    tables = {**recommender_shop, "catalogue": tmp_path / "catalogue.parquet"}
    with pytest.raises(DataError, match="more than once"):
        prepare_shop(tables, tmp_path, how="time", fraction=0.1, longest=50, seed=7)

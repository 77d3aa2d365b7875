"""What a request's history is made of: training, what was kept since, what the request says; each event once."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vitrina.contracts.http import Refusal
from vitrina.contracts.recommendation import Interaction, ProductEvent, RecommendationFilters, RecommendationRequest
from vitrina.families.hybrid_recommender import serving
from vitrina.families.hybrid_recommender.serving import HybridPredictor
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.recommending import LiveRecommender, Served, answer, record


@pytest.fixture(scope="module")
def model(linear_folder: Path) -> HybridPredictor:
    return serving.load(linear_folder)


@pytest.fixture
def live(tmp_path: Path) -> LiveHistories:
    return LiveHistories.under(tmp_path)


@pytest.fixture
def recommender(model: HybridPredictor, live: LiveHistories) -> LiveRecommender:
    return LiveRecommender(model, CurrentCatalogue(None), live)


def served(recommender: LiveRecommender, request: RecommendationRequest) -> Served:
    [found] = recommender.recommend([request])
    assert not isinstance(found, Refusal)
    return found


def user_of(model: HybridPredictor) -> str:
    return model.histories.users[0]


def test_training_kept_and_sent_events_are_one_history_in_order(
    recommender: LiveRecommender, model: HybridPredictor, live: LiveHistories
) -> None:
    user = user_of(model)
    trained = model.histories.of(user)
    live.add([Interaction("p000005", "purchase", timestamp=datetime(2026, 6, 1, tzinfo=UTC), user_id=user)])
    request = RecommendationRequest(user, events=[ProductEvent("p000007"), ProductEvent("p000008", "cart")])
    history = served(recommender, request).asked.history
    assert len(history) == len(trained) + 3
    assert [model.shelf.ids[place] for place in history.items[-3:]] == ["p000005", "p000007", "p000008"]
    assert history.weights[-3:].tolist() == [4.0, 1.0, 2.0]


def test_an_event_that_training_kept_and_the_request_all_know_counts_once(
    recommender: LiveRecommender, model: HybridPredictor, live: LiveHistories
) -> None:
    user = user_of(model)
    trained = model.histories.of(user)
    names = {1.0: "view", 2.0: "cart", 4.0: "purchase"}
    place = next(row for row, weight in enumerate(trained.weights.tolist()) if weight in names)
    same = {
        "product_id": model.shelf.ids[trained.items[place]],
        "event": names[float(trained.weights[place])],
        "timestamp": datetime.fromtimestamp(float(trained.times[place]), UTC),
    }
    live.add([Interaction(user_id=user, **same)])
    request = RecommendationRequest(user, events=[ProductEvent(**same)])
    assert len(served(recommender, request).asked.history) == len(trained)


def test_a_user_is_known_by_what_was_kept_but_not_by_what_the_request_says(
    recommender: LiveRecommender, live: LiveHistories
) -> None:
    request = RecommendationRequest("new", events=[ProductEvent("p000001")])
    assert not served(recommender, request).user_known
    live.add([Interaction("p000002", user_id="new")])
    assert served(recommender, request).user_known


def test_what_was_bought_is_excluded_unless_asked_for(recommender: LiveRecommender) -> None:
    events = [ProductEvent("p000001", "purchase"), ProductEvent("p000002", "view")]
    found = served(recommender, RecommendationRequest(events=events))
    assert [found.shelf.ids[place] for place in found.asked.excluded] == ["p000001"]
    again = RecommendationFilters(exclude_bought=False)
    assert not len(served(recommender, RecommendationRequest(events=events, filters=again)).asked.excluded)


def test_answer_and_log_say_the_same(recommender: LiveRecommender, model: HybridPredictor) -> None:
    request = RecommendationRequest(user_of(model), k=3)
    found = served(recommender, request)
    body, line = answer(found, "m", "1", "r"), record(request, found, "m", "1", "r")
    assert [each.product_id for each in body.recommendations] == line.shown
    assert (line.label, line.score) == (body.recommendations[0].category, body.recommendations[0].score)
    assert len(line.history) <= 20
    assert line.length == len(found.asked.history)


def test_no_product_passing_gives_an_empty_answer(recommender: LiveRecommender) -> None:
    nothing = RecommendationFilters(category="No such category")
    for request in (RecommendationRequest(filters=nothing), RecommendationRequest("u000001", filters=nothing)):
        found = served(recommender, request)
        assert answer(found, "m", "1", "r").recommendations == []
        assert record(request, found, "m", "1", "r").label == ""


def test_a_damaged_folder_is_refused(linear_folder: Path, tmp_path: Path) -> None:
    from vitrina.errors import ArtifactError

    for name in ("content.npy", "histories/items.npy", "products.parquet"):
        copy = shutil.copytree(linear_folder, tmp_path / name.replace("/", "-"))
        (copy / name).write_bytes(b"damaged")
        with pytest.raises(ArtifactError):
            serving.load(copy)

"""Answers of a loaded graph recommender: context, intent, filters, diversity, reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.contracts.graph_recommendation import GraphRecommendationRequest
from vitrina.families.graph_recommender.serving import GraphPredictor, load
from vitrina.recommendation.filters import Filters
from vitrina.recommendation.histories import NOTHING, History
from vitrina.recommendation.shelf import Asked, Ranked

DAY = 86_400.0


@pytest.fixture(scope="module")
def predictor(graph_folder: Path) -> GraphPredictor:
    return load(graph_folder)


def history(*items: int, weight: float = 4.0) -> History:
    count = len(items)
    return History(np.array(items, np.int32), DAY * np.arange(count), np.full(count, weight, np.float32))


def answer(predictor: GraphPredictor, known: History, **asked: object) -> Ranked:
    options = {name: asked.pop(name) for name in ("k", "filters", "excluded", "user") if name in asked}
    request = GraphRecommendationRequest(**asked)  # type: ignore[arg-type]
    return predictor.rank([Asked(history=known, request=request, **{"user": None, **options})], predictor.shelf)[0]


def kinds(ranked: Ranked) -> list[int]:
    return (ranked.places % 3).tolist()


def test_a_history_of_boots_is_answered_with_boots_and_a_lamp_just_seen_turns_it(predictor: GraphPredictor) -> None:
    boots = history(1, 4, 7, 10)
    before = answer(predictor, boots, diversity=0.0)
    assert kinds(before).count(1) >= 9
    lamps = boots.then(History(np.array([2, 5, 8], np.int32), DAY * np.arange(10.0, 13), np.ones(3, np.float32)))
    assert kinds(answer(predictor, lamps, diversity=0.0)).count(2) > kinds(before).count(2)


def test_reasons_name_products_of_the_history_and_their_counts_are_true(predictor: GraphPredictor) -> None:
    found = answer(predictor, history(1, 4, 7))
    chosen = predictor.histories.matrix()  # includes what came after training: an upper bound
    for place, why in zip(found.places, found.extra.because, strict=True):
        for one in why:
            assert one.place in (1, 4, 7)
            together = predictor.shared.chosen[:, one.place].multiply(predictor.shared.chosen[:, place]).nnz
            assert one.both_chosen == together <= chosen.shape[0]
            assert one.both_bought <= one.both_chosen
    assert found.reasons is not None
    assert found.reasons[0].startswith("Because you bought ")
    spanish = answer(predictor, history(1, 4, 7), language="es")
    assert spanish.reasons is not None
    assert spanish.reasons[0].startswith("Porque compraste ")


def test_without_explanations_an_answer_has_the_same_products(predictor: GraphPredictor) -> None:
    plain = answer(predictor, history(1, 4, 7), explain=False)
    assert plain.reasons is None
    assert plain.places.tolist() == answer(predictor, history(1, 4, 7)).places.tolist()


def test_diversity_makes_lists_more_diverse_and_a_list_says_so(predictor: GraphPredictor) -> None:
    alike, mixed = (answer(predictor, history(1, 4, 7), diversity=share) for share in (0.0, 0.9))
    assert mixed.extra.measures.diversity > alike.extra.measures.diversity
    assert mixed.extra.measures.coverage >= alike.extra.measures.coverage


def test_nobody_is_told_what_others_chose(predictor: GraphPredictor) -> None:
    found = answer(predictor, NOTHING)
    assert found.cold
    assert len(found.places) == 10
    assert found.reasons is not None
    assert all("hosen by" in reason or reason == "New in the shop." for reason in found.reasons)


def test_filters_and_what_is_excluded_hold(predictor: GraphPredictor) -> None:
    bought = np.array([4, 7])
    found = answer(predictor, history(1, 4, 7), filters=Filters(category="Shop > Boots"), excluded=bought, k=30)
    assert set(kinds(found)) == {1}
    assert not set(bought.tolist()) & set(found.places.tolist())
    assert len(found.places) == 17  # product 1 was looked at before: nothing new


def test_who_means_to_buy_may_be_shown_what_was_looked_at(predictor: GraphPredictor) -> None:
    looked_at = history(1, 4, 7, weight=1.0)
    browsing, buying = (
        set(answer(predictor, looked_at, intent=intent).places.tolist()) for intent in ("browse", "buy")
    )
    assert not browsing & {1, 4, 7}
    assert buying & {1, 4, 7}


def test_a_batch_is_answered_as_its_requests_alone(predictor: GraphPredictor) -> None:
    asked = [Asked(None, history(1, 4)), Asked(None, NOTHING), Asked(None, history(2, 5, 8))]
    together = predictor.rank(asked, predictor.shelf)
    for one, ranked in zip(asked, together, strict=True):
        assert predictor.rank([one], predictor.shelf)[0].places.tolist() == ranked.places.tolist()


def test_rows_of_a_file_are_answered_from_the_folders_histories(predictor: GraphPredictor) -> None:
    frame = predictor.predict_frame(pd.DataFrame({"user_id": ["u001", "somebody new"]}))
    assert frame["segment"].tolist() == ["heavy", "new"]
    assert frame["cold_start"].tolist() == [False, True]
    vectors = predictor.embed(pd.DataFrame({"user_id": ["u001", "somebody new"]}))
    assert np.allclose(np.linalg.norm(vectors[:1], axis=1), 1, atol=1e-5)


def test_the_intent_to_buy_changes_scores(predictor: GraphPredictor) -> None:
    browse, buy = (answer(predictor, history(1, 4, 7, weight=1.0), intent=intent, k=30) for intent in ("browse", "buy"))
    assert not np.array_equal(browse.scores, buy.scores)

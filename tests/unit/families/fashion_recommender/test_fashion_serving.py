"""The exported folder: says what the trained network says, and answers as a recommender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.artifacts import read_json
from vitrina.errors import ArtifactError
from vitrina.families.fashion_recommender import data, metrics, serving
from vitrina.families.fashion_recommender.serving import FashionPredictor
from vitrina.families.fashion_recommender.spec import SPEC
from vitrina.recommendation.filters import Filters
from vitrina.recommendation.histories import NOTHING, history_of
from vitrina.recommendation.shelf import Asked


@pytest.fixture(scope="module")
def predictor(fashion_folder: Path) -> FashionPredictor:
    return serving.load(fashion_folder, "model.onnx")


@pytest.fixture(scope="module")
def examples(fashion_data: Path) -> pd.DataFrame:
    return data.read_examples(fashion_data, "validation")


@pytest.fixture(scope="module")
def frequent(fashion_data: Path) -> str:
    """The customer with most reviews."""
    return str(pd.read_parquet(fashion_data / data.REVIEWS)["user_id"].value_counts().index[0])


def test_the_served_stars_are_those_of_the_trained_network(
    fashion_folder: Path, fashion_data: Path, tiny_encoder: Path, predictor: FashionPredictor, examples: pd.DataFrame
):
    import torch

    from tests.fashion_models import small
    from vitrina.families.fashion_recommender import trainer
    from vitrina.families.fashion_recommender.batches import Collator
    from vitrina.families.fashion_recommender.modeling import FashionRecommender
    from vitrina.training.preset import load_preset

    setup = trainer.setup(fashion_data, load_preset(SPEC, "smoke", small(tiny_encoder)).model, 7, None)
    collator = setup.collator
    assert isinstance(collator, Collator)
    model = FashionRecommender.from_pretrained(fashion_folder).eval()
    trainer.remember(model, collator.store)
    items = [{"split": "validation", "pair": i, "photo": 0} for i in range(len(examples))]
    with torch.inference_mode():
        told = model(**collator(items)).rating.clamp(1, 5).numpy()
    assert predictor.rate(examples) == pytest.approx(told, abs=2e-3)


def test_a_product_and_reviews_that_the_folder_lacks_are_embedded_at_once(
    fashion_folder: Path, predictor: FashionPredictor, examples: pd.DataFrame
):
    renamed = examples.copy()
    renamed["product_id"] = "new-" + renamed["product_id"]
    for column in ("user_history", "product_history"):
        renamed[column] = renamed[column].map(
            lambda history: [{**review, "review_id": "new-" + review["review_id"]} for review in history]
        )
    assert predictor.rate(renamed) == pytest.approx(predictor.rate(examples), abs=5e-3)


def test_what_came_later_changes_no_answer_about_the_past(predictor: FashionPredictor, examples: pd.DataFrame):
    until = float(examples["known_until"].iloc[0])
    before = predictor._product_sides(until)
    later = predictor.times >= until
    assert later.any()
    kept = predictor.reviews.ratings
    try:
        changed = kept.copy()
        changed[later] = 1.0
        object.__setattr__(predictor.reviews, "ratings", changed)
        assert predictor._product_sides(until) == pytest.approx(before)
        assert predictor._product_sides(None) != pytest.approx(predictor._sides[None])
    finally:
        object.__setattr__(predictor.reviews, "ratings", kept)


def test_a_known_customer_is_not_shown_what_they_reviewed(
    predictor: FashionPredictor, fashion_data: Path, frequent: str
):
    reviews = pd.read_parquet(fashion_data / data.REVIEWS)
    mine = set(reviews[reviews["user_id"] == frequent]["product_id"])
    asked = Asked(frequent, predictor.histories.of(frequent), 500, Filters(in_stock=False))
    [ranked] = predictor.rank([asked], predictor.shelf)
    shown = {predictor.shelf.ids[place] for place in ranked.places}
    assert mine
    assert not mine & shown
    assert len(shown) == len(predictor.shelf) - len(mine)
    assert not ranked.cold
    assert (np.diff(ranked.scores) <= 1e-6).all()
    assert ((ranked.scores >= 1) & (ranked.scores <= 5)).all()


def test_an_unknown_customer_gets_a_cold_start_that_says_so(predictor: FashionPredictor):
    [ranked] = predictor.rank([Asked("nobody", NOTHING, 10)], predictor.shelf)
    assert ranked.cold
    assert len(ranked.places) == 10


def test_a_withdrawn_product_and_what_the_filters_refuse_do_not_appear(predictor: FashionPredictor):
    [ranked] = predictor.rank([Asked("nobody", NOTHING, 5)], predictor.shelf)
    gone = predictor.shelf.without(ranked.places)
    [later] = predictor.rank([Asked("nobody", NOTHING, 500)], gone)
    assert not set(ranked.places) & set(later.places)
    [shoes] = predictor.rank([Asked("nobody", NOTHING, 500, Filters(category="Shoes"))], predictor.shelf)
    assert {str(predictor.shelf.categories[place]).split(" > ")[0] for place in shoes.places} == {"Shoes"}


def test_a_rating_that_came_after_training_counts_at_once(predictor: FashionPredictor):
    places = predictor.shelf.places
    liked = predictor.shelf.ids[3]
    history = history_of(places, [liked], [4e9], ["rating"], [5.0])
    [before], [after] = (predictor.rank([Asked("nobody", one, 500)], predictor.shelf) for one in (NOTHING, history))
    assert not after.cold
    assert 3 not in after.places
    stars = dict(zip(before.places.tolist(), before.scores.tolist(), strict=True))
    assert any(abs(stars[place] - score) > 1e-4 for place, score in zip(after.places, after.scores, strict=True))


def test_events_that_the_folder_knows_do_not_count_twice(predictor: FashionPredictor, frequent: str):
    history = predictor.histories.of(frequent)
    [with_history], [without] = (
        predictor.rank([Asked(frequent, one, 10)], predictor.shelf) for one in (history, NOTHING)
    )
    assert with_history.scores == pytest.approx(without.scores)


def test_the_evaluation_says_what_each_part_is_worth_and_passes_its_checks(
    predictor: FashionPredictor, examples: pd.DataFrame
):
    found = metrics.evaluate(predictor, examples)
    stars, truth = predictor.rate(examples), examples["rating"].to_numpy()
    assert found.metrics["rmse"] == pytest.approx(((stars - truth) ** 2).mean() ** 0.5)
    assert found.metrics["rmse_mean"] == pytest.approx(((predictor.ratings.mean - truth) ** 2).mean() ** 0.5)
    named = {
        "rmse_biases",
        "rmse_without_photo",
        "rmse_without_text",
        "rmse_only_photo",
        "rmse_only_text",
        "ndcg_at_10",
    }
    assert named <= set(found.metrics)
    assert found.rows["score"].between(0, 1).all()
    assert found.rows["row_id"].tolist() == examples["row_id"].tolist()
    rates = {check["check"]: check["rate"] for check in found.behaviour}
    assert rates["withdrawn_stays_away"] == rates["unknown_user"] == rates["prefix"] == 1.0


def test_without_a_part_the_tower_reads_zeros_there(predictor: FashionPredictor, examples: pd.DataFrame):
    from vitrina.families.fashion_recommender.known import Known

    known = Known(predictor, examples)
    width = predictor.products.photo.shape[1]
    assert known.features("product")[:, -width:].any()
    assert not known.features("product", ["photo"])[:, -width:].any()
    assert not known.features("product", ["photo"])[:, 3].any()


def test_an_answer_has_the_columns_that_drift_watches(predictor: FashionPredictor, fashion_folder: Path):
    answered = predictor.predict_frame(pd.DataFrame({"user_id": ["nobody", "u000001"]}))
    assert set(SPEC.monitored.categorical + SPEC.monitored.numerical) <= set(answered.columns)
    assert answered["segment"].iloc[0] == "new"
    reference = pd.read_parquet(fashion_folder / "reference.parquet")
    assert set(SPEC.monitored.categorical + SPEC.monitored.numerical) <= set(reference.columns)


def test_a_damaged_folder_is_refused_in_a_sentence(fashion_folder: Path, tmp_path: Path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(fashion_folder, folder)
    (folder / serving.VECTORS).write_bytes(b"torn")
    with pytest.raises(ArtifactError, match="cannot be read"):
        serving.load(folder)


def test_the_settings_say_how_well_held_out_photos_are_told(fashion_folder: Path):
    settings = read_json(fashion_folder / "labels.json")
    assert 0 <= settings["photo_category_accuracy"] <= 1
    assert len(settings["labels"]) > 10

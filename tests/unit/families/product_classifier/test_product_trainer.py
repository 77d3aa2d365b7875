import json

import numpy as np
import pandas as pd
import pytest

from vitrina.artifacts import verify_manifest
from vitrina.errors import UsageError
from vitrina.families.layers.product_heads.heads import lay_out
from vitrina.families.product_classifier import data, metrics, serving, trainer
from vitrina.families.product_classifier.configuration import Options


@pytest.fixture(scope="module")
def evaluation(product_folder, product_data):
    predictor = serving.load(product_folder, "model.onnx")
    return metrics.evaluate(predictor, data.read_examples(product_data, "test"))


def test_training_learns_every_head(evaluation):
    measured = evaluation.metrics
    assert measured["category_accuracy"] > 0.95
    assert measured["attributes.colour_accuracy"] > 0.95
    assert measured["attributes.tags_accuracy"] > 0.9
    assert measured["recommended_auc"] > 0.95
    assert measured["rating_rmse"] < 0.8
    assert 0 <= measured["quality_error"] < 0.5


def test_upper_levels_are_at_least_as_often_right_as_lower_ones(evaluation):
    levels = [evaluation.metrics[f"category_level_{level}_accuracy"] for level in (1, 2)]
    assert levels[0] >= levels[1] >= evaluation.metrics["category_accuracy"]


def test_an_evaluation_has_a_score_a_row_slices_behaviour_and_files(evaluation, product_data, tmp_path):
    examples = data.read_examples(product_data, "test")
    assert list(evaluation.rows["row_id"]) == list(examples["row_id"])
    assert evaluation.rows["score"].between(0, 1).all()
    assert {"language", "length", "price", "category"} <= {row["slice"] for row in evaluation.slices}
    assert [row["check"] for row in evaluation.behaviour] == ["typo", "case", "word_order"]
    assert evaluation.behaviour[1]["rate"] == 1.0  # tokenizer and n-grams ignore case
    evaluation.write(tmp_path)
    assert (tmp_path / "category_confusion.png").read_bytes().startswith(b"\x89PNG")
    classes = pd.read_csv(tmp_path / "category_classes.csv")
    assert classes["rows"].sum() == examples["category"].notna().sum()


def test_the_folder_is_whole_and_its_card_shows_the_confusions(product_folder):
    verify_manifest(product_folder)
    card = (product_folder / "README.md").read_text()
    assert "(category_confusion.png)" in card
    assert (product_folder / "category_classes.csv").is_file()


def test_the_parity_report_has_a_number_for_every_column_also_where_prices_are_missing(product_folder):
    report = json.loads((product_folder / "parity.json").read_text())
    assert report["price_max_difference"] == 0.0
    assert report["torch_onnx_max_difference"] < 1e-3
    assert abs(report["accuracy_loss"]) < 0.2


def test_the_drift_reference_holds_products_not_reviews(product_folder, product_data):
    reference = pd.read_parquet(product_folder / "reference.parquet")
    examples = data.read_examples(product_data, "validation")
    assert len(reference) == examples["title"].notna().sum() < len(examples)
    assert (reference["label"] != "").all()


def test_the_decisions_are_kept_for_every_head(product_folder):
    settings = json.loads((product_folder / "labels.json").read_text())
    kinds = {each["name"]: each["kind"] for each in settings["heads"]}
    assert kinds == {
        "category": "one",
        "attributes.colour": "one",
        "attributes.tags": "many",
        "quality": "share",
        "recommended": "share",
        "rating": "ordinal",
    }
    assert all(each["temperature"] > 0 for each in settings["heads"])
    assert set(settings["quality"]) == {"logit", "listing", "offset"}


def test_the_prior_is_the_log_share_of_each_label_and_ignores_unknown_ones():
    heads = lay_out(
        [
            {"name": "category", "kind": "one", "labels": ["a", "b"]},
            {"name": "quality", "kind": "share", "labels": []},
        ]
    )
    labels = np.array([[0, 0.5], [0, np.nan], [1, 0.1], [np.nan, 0.2]], dtype=np.float32)
    np.testing.assert_allclose(trainer.log_prior(heads, labels), [np.log(2 / 3), np.log(1 / 3), 0], rtol=1e-6)


def test_frozen_layers_keep_their_weights_and_the_others_learn(product_data, tiny_encoder):
    options = Options(encoder=str(tiny_encoder), frozen_layers=1, lexical_buckets=1024)
    model = trainer.setup(product_data, options, 7, None).model
    learning = {name for name, weight in model.encoder.named_parameters() if weight.requires_grad}
    assert learning
    assert not any("embeddings" in name or ".layer.0." in name for name in learning)
    with pytest.raises(UsageError, match="only|has 2"):
        trainer.setup(product_data, options.model_copy(update={"frozen_layers": 2}), 7, None)

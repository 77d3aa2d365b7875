
import pytest

from vitrina.families.product_classifier import data, metrics, serving


@pytest.fixture(scope="module")
def predictor(product_folder):
    return serving.load(product_folder, "model.onnx")


def test_training_learns_every_head(predictor, product_data):
    evaluation = metrics.evaluate(predictor, data.read_examples(product_data, "test"))
    assert evaluation.metrics["category_accuracy"] > 0.95
    assert evaluation.metrics["attributes.colour_accuracy"] > 0.95
    assert evaluation.metrics["attributes.tags_accuracy"] > 0.9
    assert evaluation.metrics["recommended_auc"] > 0.95
    assert evaluation.metrics["rating_rmse"] < 0.8
    assert evaluation.metrics["category_level_1_accuracy"] >= evaluation.metrics["category_level_3_accuracy"]

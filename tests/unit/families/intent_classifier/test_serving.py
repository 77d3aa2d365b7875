from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.errors import ArtifactError
from vitrina.families.intent_classifier.serving import IntentPredictor, load

TEXTS = ["where is my order", "quiero un reembolso", "a", "please " * 60, "track the parcel 📦", ""]


@pytest.fixture(scope="module")
def predictor(student_folder: Path) -> IntentPredictor:
    return load(student_folder)


@pytest.fixture
def copy(student_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(student_folder, tmp_path / "model"))


def test_a_batch_of_mixed_lengths_keeps_its_order(student_folder: Path) -> None:
    exact = load(student_folder, weights="model.onnx")
    together = exact.logits(TEXTS)
    alone = np.concatenate([exact.logits([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 150)
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_no_texts_give_no_predictions(predictor: IntentPredictor) -> None:
    assert predictor.predict([]) == []
    assert predictor.logits([]).shape == (0, 150)
    assert predictor.predict_frame(pd.DataFrame({"text": []})).empty


def test_predictions_and_frame_agree(predictor: IntentPredictor) -> None:
    predictions = predictor.predict(TEXTS)
    frame = predictor.predict_frame(pd.DataFrame({"text": TEXTS}, index=[5, 3, 9, 1, 0, 2]))
    assert list(frame.index) == [5, 3, 9, 1, 0, 2]
    assert list(frame["label"]) == [each.label for each in predictions]
    np.testing.assert_allclose(frame["confidence"], [each.confidence for each in predictions])
    np.testing.assert_allclose(frame["oos_score"], [each.oos_score for each in predictions], rtol=1e-6)
    assert list(frame["length"]) == [len(text) for text in TEXTS]
    assert list(frame["language"])[:2] == ["en", "es"]


def test_a_stated_language_is_kept_and_a_missing_one_detected(predictor: IntentPredictor) -> None:
    frame = pd.DataFrame({"text": ["hola, quiero mi pedido"] * 3, "language": ["fr", None, ""]})
    assert list(predictor.predict_frame(frame)["language"]) == ["fr", "es", "es"]


def test_embeddings_have_unit_length(predictor: IntentPredictor) -> None:
    vectors = predictor.embed(pd.DataFrame({"text": TEXTS}))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_temperature_and_thresholds_come_from_labels_json(copy: Path) -> None:
    plain = load(copy).predict(["where is my order"])[0]
    settings = json.loads((copy / "labels.json").read_text())
    changed = {"temperature": 0.01, "threshold": 0.0, "oos_threshold": plain.oos_score - 1.0}
    (copy / "labels.json").write_text(json.dumps(settings | changed))
    sharp = load(copy).predict(["where is my order"])[0]
    assert sharp.label == plain.label
    assert sharp.confidence > 10 * plain.confidence
    assert (plain.needs_clarification, sharp.needs_clarification) == (True, False)
    assert sharp.out_of_scope
    assert sum(sharp.distribution.values()) == pytest.approx(1)


def test_a_text_is_cut_at_the_models_length(predictor: IntentPredictor) -> None:
    first, second = predictor.logits(["order " * 62 + "refund", "order " * 62 + "parcel"])
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("name", "message"), [("tokenizer.json", "tokenizer.json"), ("labels.json", "labels.json")])
def test_a_missing_file_is_named(copy: Path, name: str, message: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ArtifactError, match=message):
        load(copy)


def test_a_folder_that_was_not_exported_says_so(copy: Path) -> None:
    (copy / "model.int8.onnx").unlink()
    assert load(copy).predict(["a"])
    (copy / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match="was not exported"):
        load(copy)

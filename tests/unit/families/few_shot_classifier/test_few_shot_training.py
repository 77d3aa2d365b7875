"""Training, export, evaluation and offline prediction of a small model, of texts and of drawings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from tests.few_shot_models import FAMILY
from vitrina.artifacts import write_json
from vitrina.errors import ArtifactError, DataError
from vitrina.families import catalog
from vitrina.families.few_shot_classifier import metrics
from vitrina.families.few_shot_classifier.configuration import Options
from vitrina.families.few_shot_classifier.modeling import FewShotClassifier
from vitrina.families.few_shot_classifier.predictor import FewShotPredictor, load
from vitrina.families.few_shot_classifier.trainer import _embedded, setup
from vitrina.jobs import evaluate


@pytest.fixture(params=["text", "image"])
def folder(request: pytest.FixtureRequest) -> Path:
    """A trained model folder of either modality."""
    name = {"text": "few_shot_folder", "image": "few_shot_image_folder"}[request.param]
    return request.getfixturevalue(name)


def test_the_exported_encoder_gives_what_torch_gives(folder: Path) -> None:
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["torch_onnx_max_difference"] < 1e-4
    assert {"model.onnx", "model.int8.onnx", "labels.json", "reference.parquet"} <= {p.name for p in folder.iterdir()}
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    assert [output.name for output in session.get_outputs()] == ["embedding"]


def test_serving_embeds_as_training_does(few_shot_image_folder: Path) -> None:
    splits = few_shot_image_folder.parent / "splits"
    rows = pd.read_parquet(splits / "test.parquet").head(5)
    served = load(few_shot_image_folder, "model.onnx").embed(rows)
    options = Options(modality="image", image={"widths": (8, 16), "embedding": 16, "views": 3})
    model = FewShotClassifier.from_pretrained(few_shot_image_folder)
    trained = _embedded(model, rows, setup(splits, options, 7, None), options)
    np.testing.assert_allclose(served, trained, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(served, axis=1), 1, atol=1e-5)


def test_the_loss_of_an_episode_trains_encoder_and_rates(few_shot_folder: Path, tiny_encoder: Path) -> None:
    options = Options(encoder=str(tiny_encoder), inner_steps=2, episode={"ways": 3, "examples": 3})
    made = setup(few_shot_folder.parent / "splits", options, 7, None)
    batch = made.collator([made.train_dataset[0], made.train_dataset[1]])
    made.model.train()
    output = made.model(**batch)
    output.loss.backward()
    assert output.accuracy.shape == (2,)
    assert made.model.adaptation.log_factors.grad.abs().sum() > 0
    assert all(p.grad is not None for n, p in made.model.encoder.named_parameters() if "pooler" not in n)
    made.model.eval()
    with torch.no_grad():  # as the engine evaluates
        assert torch.isfinite(made.model(**batch).loss)


def test_evaluation_counts_episodes_of_unseen_classes(folder: Path, tmp_path: Path) -> None:
    result = evaluate(str(folder), folder.parent / "splits", tmp_path / "out")
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    assert rows["row_id"].is_unique
    assert result.metrics["accuracy"] == pytest.approx(rows["score"].mean())
    assert result.metrics["accuracy_2way_1shot_low"] <= result.metrics["accuracy_2way_1shot"]
    assert {each["slice"] for each in result.slices} >= {"ways", "shots"}
    rates = {check["check"]: check["rate"] for check in result.behaviour}
    assert rates["example_order"] == rates["examples_given_twice"] == 1
    assert ("typo" in rates) == (load(folder).modality == "text")
    again = evaluate(str(folder), folder.parent / "splits", tmp_path / "again")
    assert again.metrics == result.metrics


def test_evaluation_of_one_class_is_refused(few_shot_folder: Path) -> None:
    rows = pd.read_parquet(few_shot_folder.parent / "splits" / "test.parquet")
    with pytest.raises(DataError, match="two or more classes"):
        metrics.evaluate(load(few_shot_folder), rows[rows["label"] == rows["label"].iloc[0]])


def test_perfectly_separated_classes_score_one_and_shuffled_ones_chance() -> None:
    rows = pd.DataFrame({"label": np.repeat([f"c{n}" for n in range(20)], 10), "text": "x", "row_id": range(200)})
    vectors = np.repeat(np.eye(20, dtype=np.float32), 10, axis=0)
    from vitrina.families.few_shot_classifier.head import Rates

    plain = Rates(10.0, np.empty((0, 20), dtype=np.float32), np.empty(0, dtype=np.float32))
    found = {each.name: each.adapted.mean() for each in metrics.measure(vectors, rows, plain, 30)}
    assert set(found) == {"5way_1shot", "5way_5shot", "20way_1shot", "20way_5shot"}
    assert set(found.values()) == {1.0}
    shuffled = np.random.default_rng(0).permutation(vectors)
    found = {each.name: each.adapted.mean() for each in metrics.measure(shuffled, rows, plain, 100)}
    assert found["20way_1shot"] < 0.15


def test_offline_predictions_choose_among_the_reference_classes(folder: Path, tmp_path: Path) -> None:
    texts = list(pd.read_parquet(folder.parent / "splits" / "test.parquet")["text"].head(3))
    result = load(folder).predict_frame(pd.DataFrame({"text": texts}))
    known = set(pd.read_parquet(folder.parent / "splits" / "validation.parquet")["label"])
    assert set(result["label"]) <= known
    reference = pd.read_parquet(folder / "reference.parquet")
    spec = catalog.get(FAMILY)
    assert len(reference) > len(pd.read_parquet(folder.parent / "splits" / "validation.parquet"))
    assert {*spec.monitored.categorical, *spec.monitored.numerical, spec.monitored.text, "embedding"} <= set(reference)


def test_the_version_follows_the_manifest_and_a_broken_folder_is_named(few_shot_folder: Path, tmp_path: Path) -> None:
    first: FewShotPredictor = load(few_shot_folder)
    copy = tmp_path / "copy"
    shutil.copytree(few_shot_folder, copy)
    assert load(copy).version == first.version
    write_json(copy / "manifest.json", {"files": {}})
    assert load(copy).version != first.version
    settings = json.loads((copy / "labels.json").read_text())
    write_json(copy / "labels.json", {name: value for name, value in settings.items() if name != "adaptation"})
    with pytest.raises(ArtifactError, match="lacks 'adaptation'"):
        load(copy)

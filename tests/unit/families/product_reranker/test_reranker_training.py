"""A trained folder serves: the same in torch, ONNX and int8; it ranks, reports and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.artifacts import read_json
from vitrina.contracts.products import Product
from vitrina.errors import ArtifactError, DataError, UsageError
from vitrina.families.product_reranker import metrics, serving
from vitrina.jobs import evaluate, predict, train


def test_training_learns_pairs_that_model_numbers_tell_apart(model: Path) -> None:
    found = read_json(model / "metrics.json")["metrics"]
    assert found["f1"] > 0.9
    assert found["average_precision"] > 0.95


def test_torch_onnx_and_int8_agree(model: Path, prepared: Path) -> None:
    parity = read_json(model / "parity.json")
    assert parity["torch_onnx_max_difference"] < 1e-3
    assert parity["label_agreement"] >= 0.95
    rows = pd.read_parquet(prepared / "test.parquet")
    exact, small = (serving.load(model, weights=name) for name in ("model.onnx", "model.int8.onnx"))
    difference = np.abs(exact.predict_frame(rows)["score"] - small.predict_frame(rows)["score"])
    assert difference.max() < 0.1


def test_onnx_scores_are_those_of_the_torch_model_whatever_shares_the_batch(model: Path, prepared: Path) -> None:
    import torch
    from transformers import AutoTokenizer

    from vitrina.families.product_reranker.batches import PairCollator, PairRows
    from vitrina.families.product_reranker.configuration import Options
    from vitrina.families.product_reranker.modeling import ProductReranker
    from vitrina.families.product_reranker.reading import read_frame

    rows = pd.read_parquet(prepared / "test.parquet")
    predictor = serving.load(model, weights="model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(model)
    options = Options(max_length=40)
    pairs = PairRows(read_frame(rows), rows["match"].tolist(), predictor._idf, tokenizer, options)
    batch = PairCollator(tokenizer, 40)([pairs[i] for i in range(len(pairs))])
    with torch.inference_mode():
        logits = ProductReranker.from_pretrained(model).eval()(**batch).logits.numpy()
    np.testing.assert_allclose(predictor.outputs(rows), logits, atol=1e-4)
    np.testing.assert_allclose(predictor.outputs(rows.tail(1)), logits[-1:], atol=1e-4)


def test_rerank_puts_the_same_product_first_and_takes_a_text(model: Path) -> None:
    predictor = serving.load(model)
    wanted = Product(title="canon camera x1007", brand="canon", attributes={"model": "x1007"}, price=99.0)
    shelf = [Product(title="lamp by acme x1350 new"), Product(title="camera by canon x1007 new", price=105.0)]
    ranked = predictor.rerank(wanted, shelf)
    assert [position for position, _ in ranked] == [1, 0]
    assert ranked[0][1] > ranked[1][1]
    assert predictor.rerank("canon camera x1007", shelf)[0][0] == 1
    assert predictor.rerank("canon", []) == []


def test_scores_are_probabilities_and_labels_follow_the_threshold(model: Path, prepared: Path) -> None:
    predictor = serving.load(model)
    rows = pd.read_parquet(prepared / "test.parquet")
    predicted = predictor.predict_frame(rows)
    assert predicted["score"].between(0, 1).all()
    assert ((predicted["label"] == "same") == (predicted["score"] >= predictor.threshold)).all()
    np.testing.assert_allclose(np.linalg.norm(predictor.embed(rows), axis=1), 1, atol=1e-3)


def test_a_long_description_costs_neither_side_its_title(model: Path) -> None:
    predictor = serving.load(model)
    left = Product(title="canon camera x1007", description="good " * 20_000)
    same, other = Product(title="camera by canon x1007 new"), Product(title="lamp by acme x1350 new")
    scores = predictor.score_pairs([(left, same), (left, other)])
    assert scores[0] > scores[1]


def test_evaluate_reports_what_the_gates_read(model: Path, prepared: Path, tmp_path: Path) -> None:
    result = evaluate(str(model), prepared, tmp_path / "out")
    assert {"f1", "precision", "recall", "auc", "average_precision", "calibration_error"} <= result.metrics.keys()
    assert {check["check"] for check in result.behaviour} == {"case", "typo", "sides"}
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    assert rows["row_id"].is_unique
    assert set(rows["score"]) <= {0.0, 1.0}
    assert result.metrics["accuracy"] == pytest.approx(rows["score"].mean())


def test_evaluation_needs_both_kinds_of_pairs(model: Path, prepared: Path) -> None:
    rows = pd.read_parquet(prepared / "test.parquet")
    with pytest.raises(DataError, match="both matches and others"):
        metrics.evaluate(serving.load(model), rows[rows["match"]])


def test_a_file_of_pairs_is_predicted_by_the_job(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("left_title,right_title,right_price\ncanon x1007,canon x1007 camera,9\ncanon x1007,lamp,\n")
    result = predict(str(model), file=path)
    assert [row["label"] for row in result.predictions] == ["same", "different"]
    path.write_text("left_title\ncanon\n")
    with pytest.raises(DataError, match="right_title is missing"):
        predict(str(model), file=path)


def test_a_folder_trained_on_other_similarities_is_refused(model: Path, tmp_path: Path) -> None:
    for path in model.iterdir():
        (tmp_path / path.name).symlink_to(path)
    settings = read_json(model / "labels.json")
    (tmp_path / "labels.json").unlink()
    (tmp_path / "labels.json").write_text(json.dumps(settings | {"similarities": ["old"]}))
    with pytest.raises(ArtifactError, match="other similarities"):
        serving.load(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps({"labels": []}))
    with pytest.raises(ArtifactError, match="lacks 'similarities'"):
        serving.load(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps(settings))
    (tmp_path / "idf.safetensors").unlink()
    (tmp_path / "idf.safetensors").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="idf.safetensors cannot be read"):
        serving.load(tmp_path)


def test_an_encoder_without_segments_is_refused(prepared: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    for path in tiny_encoder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}))
    with pytest.raises(UsageError, match="does not tell two texts apart"):
        train("product_reranker", prepared, tmp_path / "m", preset="smoke", overrides={"model.encoder": str(tmp_path)})


def test_frozen_layers_do_not_learn_and_one_must_remain(prepared: Path, tiny_encoder: Path) -> None:
    from vitrina.families.product_reranker import trainer
    from vitrina.families.product_reranker.configuration import Options

    model = trainer.setup(prepared, Options(encoder=str(tiny_encoder), frozen_layers=1), 7, None).model
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert not [name for name in learning if "embeddings" in name or "layer.0." in name]
    assert [name for name in learning if "layer.1." in name]
    with pytest.raises(UsageError, match="frozen_layers: 2 leaves no layer"):
        trainer.setup(prepared, Options(encoder=str(tiny_encoder), frozen_layers=2), 7, None)


def test_training_goes_on_from_a_re_ranker_of_the_same_shape(
    model: Path, prepared: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    from vitrina.families.product_reranker import trainer
    from vitrina.families.product_reranker.configuration import Options

    begun = trainer.setup(prepared, Options(encoder=str(tiny_encoder), start=model), 7, None).model
    trained = load_file(model / "model.safetensors")["head.weight"]
    np.testing.assert_array_equal(begun.state_dict()["head.weight"].numpy(), trained.numpy())
    for start in (tmp_path, model):
        wider = Options(encoder=str(tiny_encoder), start=start, text_width=32)
        with pytest.raises(UsageError, match="is no re-ranker of this shape"):
            trainer.setup(prepared, wider, 7, None)

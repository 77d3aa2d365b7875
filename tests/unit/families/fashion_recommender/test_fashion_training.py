from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.fashion_models import small, trained
from vitrina.artifacts import read_json
from vitrina.errors import UsageError
from vitrina.families.fashion_recommender import data, serving, trainer
from vitrina.families.fashion_recommender.spec import SPEC
from vitrina.training.preset import load_preset


def test_the_eval_says_stars_and_categories_and_the_folder_is_whole(fashion_folder: Path):
    history = read_json(fashion_folder / "metrics.json")["history"]
    last = [entry for entry in history if "eval_rmse" in entry][-1]
    assert {"eval_r2", "eval_photo_category_accuracy"} <= set(last)
    parity = read_json(fashion_folder / "parity.json")
    assert parity["torch_onnx_max_difference"] < 1e-3
    assert parity["fp32_int8_max_difference"] < 0.1


def test_photos_learn_from_nine_in_ten_and_are_measured_on_the_rest(fashion_data: Path, tiny_encoder: Path):
    setup = trainer.setup(fashion_data, load_preset(SPEC, "smoke", small(tiny_encoder)).model, 7, None)
    learnt, measured = setup.train_dataset.photos, setup.eval_dataset.photos
    assert not set(learnt) & set(measured)
    assert len(measured)
    assert len(learnt) > 4 * len(measured)
    assert len(setup.train_dataset) == max(setup.train_dataset.pairs, len(learnt))


def test_a_teacher_is_refused_in_a_sentence(fashion_data: Path, fashion_folder: Path, tiny_encoder: Path):
    with pytest.raises(UsageError, match="takes no teacher"):
        trainer.setup(fashion_data, load_preset(SPEC, "smoke", small(tiny_encoder)).model, 7, fashion_folder)


@pytest.mark.slow
def test_a_hub_vision_model_and_a_shop_without_photos_train_and_are_served(
    fashion_shop: dict[str, Path], fashion_data: Path, tiny_encoder: Path, tmp_path: Path
):
    from transformers import ViTConfig, ViTModel

    hub = tmp_path / "vit"
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=16
    )
    ViTModel(config).save_pretrained(hub)
    folder = trained(fashion_data, tmp_path / "hub_model", tiny_encoder, **{"model.vision": str(hub)})
    examples = data.read_examples(fashion_data, "test")
    assert serving.load(folder).rate(examples).shape == (len(examples),)

    pd.read_parquet(fashion_shop["images"]).iloc[:0].to_parquet(tmp_path / "images.parquet")
    (tmp_path / "data").mkdir()
    tables = {**fashion_shop, "images": tmp_path / "images.parquet"}
    data.prepare(tables, tmp_path / "data", load_preset(SPEC, "smoke", small(tiny_encoder)).model, 7)
    folder = trained(tmp_path / "data", tmp_path / "plain_model", tiny_encoder)
    examples = data.read_examples(tmp_path / "data", "test")
    predictor = serving.load(folder)
    assert predictor.rate(examples) == pytest.approx(predictor.rate(examples, ["photo"]), abs=1e-5)

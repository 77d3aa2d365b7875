"""What a trained imager answers: pictures that a seed decides, marked as generated, and clear refusals."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.imager_models import KINDS, photo, stable_diffusion, trained
from vitrina.artifacts import read_json, verify_manifest
from vitrina.contracts.http import Refusal
from vitrina.contracts.image_generation import ImageRequest
from vitrina.errors import ArtifactError
from vitrina.families.layers.photos import read_all
from vitrina.families.product_imager import data, metrics, serving
from vitrina.families.product_imager.drawing import Ask
from vitrina.families.product_imager.serving import ImagerPredictor

RED = Ask("red disc", KINDS[0], "photorealistic", seed=5, steps=4, guidance=2.0)


@pytest.fixture(scope="module")
def predictor(imager_folder: Path) -> ImagerPredictor:
    return serving.load(imager_folder)


def changed(ask: Ask, **values: Any) -> Ask:
    return Ask(**{**{name: getattr(ask, name) for name in Ask.__struct_fields__}, **values})


def test_the_same_seed_draws_the_same_picture_in_another_process_of_the_model(
    imager_folder: Path, predictor: ImagerPredictor
) -> None:
    first, again = predictor.imager.draw(RED), serving.load(imager_folder).imager.draw(RED)
    np.testing.assert_array_equal(first.picture, again.picture)
    assert first.picture.shape == (16, 16, 3)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 6},
        {"prompt": "blue bar"},
        {"category": KINDS[1]},
        {"category": None},
        {"style": "vintage"},
        {"guidance": 1.0},
        {"steps": 8},
        {"solver": "ddim"},
    ],
)
def test_everything_that_is_asked_for_counts(predictor: ImagerPredictor, values: dict[str, Any]) -> None:
    assert not np.array_equal(predictor.imager.draw(RED).picture, predictor.imager.draw(changed(RED, **values)).picture)


def test_drawn_together_or_alone_is_the_same(imager_folder: Path, predictor: ImagerPredictor) -> None:
    asks = [changed(RED, seed=seed) for seed in (1, 2, 3)]
    together = serving.load(imager_folder).imager.draw_all(asks)
    for ask, each in zip(asks, together, strict=True):
        alone = predictor.imager.draw(ask).picture.astype(int)
        assert np.abs(alone - each.picture).max() <= 1


def test_a_png_says_that_it_is_generated_and_by_what(predictor: ImagerPredictor) -> None:
    plain = predictor.picture(RED, lambda done, steps: None).png
    png = serving.marked(plain, "product_imager", "12", 5)
    Image.open(io.BytesIO(png)).verify()  # the checksums of all fields
    assert Image.open(io.BytesIO(png)).text == {  # type: ignore[attr-defined]
        "Generated": "AI-generated image, not a photo",
        "Model": "product_imager",
        "Version": "12",
        "Seed": "5",
    }
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), predictor.imager.draw(RED).picture)


def test_quality_is_calibrated_on_photos(predictor: ImagerPredictor) -> None:
    """Photos that nobody trained on spread over the scale; noise is at its bottom."""
    fresh = [photo(kind, colour, hand) for kind in KINDS for colour in ("red", "green", "blue") for hand in (90, 91)]
    pixels, _ = read_all(fresh, 16)
    photos = predictor.imager.quality(predictor.imager.judge(pixels.astype(np.float32) / 255)[0])
    noise = np.random.default_rng(0).random((8, 3, 16, 16), dtype=np.float32)
    assert 0.2 < photos.mean() < 0.9
    assert predictor.imager.quality(predictor.imager.judge(noise)[0]).mean() < photos.mean() / 2


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"resolution": 512}, "A resolution of 512 pixels is not offered; this model draws 16."),
        ({"prompt": "1234 !!"}, "The prompt has no word"),
        ({"category": "Shop > Disk"}, "Did you mean Shop > Disc?"),
    ],
)
def test_what_the_model_has_not_is_refused_in_a_sentence(
    predictor: ImagerPredictor, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refusal, match="422|") as refused:
        predictor.asked(ImageRequest(**{"prompt": "red disc", **values}))
    assert refused.value.status == 422
    assert sentence in refused.value.message
    assert refused.value.details[0]["loc"] == ["body", next(iter(values))]


def test_what_is_left_open_is_the_models_own_choice(predictor: ImagerPredictor) -> None:
    first, second = (predictor.asked(ImageRequest("red  disc\n", images=2)) for _ in range(2))
    assert [ask.seed - first[0].seed for ask in first] == [0, 1]
    assert first[0].seed != second[0].seed
    assert (first[0].steps, first[0].guidance, first[0].prompt) == (4, 2.0, "red disc")


def test_a_prompt_in_another_language_is_reported(predictor: ImagerPredictor) -> None:
    assert predictor.prompt_facts("red disc") == ("en", 1.0, [])
    _, understood, warnings = predictor.prompt_facts("rote Scheibe aus Holz")
    assert understood == 0
    assert "another language" in warnings[0]


def test_the_evaluation_measures_and_shows_what_was_drawn(
    imager_folder: Path, predictor: ImagerPredictor, imager_data: Path
) -> None:
    examples = data.read_examples(imager_data, "test")
    found = metrics.evaluate(predictor, examples)
    assert {"class_accuracy", "quality", "agreement", "copied", "frechet", "frechet_of_photos"} <= set(found.metrics)
    # A network of six steps draws noise: far from photos, unlike any of them, no copies.
    assert found.metrics["frechet"] > found.metrics["frechet_of_photos"]
    assert found.metrics["copied"] == 0
    assert list(found.rows["row_id"]) == list(examples["row_id"])
    for name in ("samples.png", "good_and_bad.png"):
        assert Image.open(io.BytesIO(found.files[name]())).width > 100
        assert (imager_folder / name).is_file()


def test_the_folder_is_whole_and_its_graphs_say_what_torch_says(imager_folder: Path) -> None:
    verify_manifest(imager_folder)
    assert read_json(imager_folder / "parity.json")["torch_onnx_max_difference"] < 1e-4
    assert "AI" in (imager_folder / "README.md").read_text() or "generated" in (imager_folder / "README.md").read_text()


def test_a_folder_without_what_is_known_of_photos_is_refused(imager_folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(imager_folder, tmp_path / "model")
    (tmp_path / "model" / "real.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"real\.safetensors cannot be read"):
        serving.load(tmp_path / "model")


def test_a_fine_tuned_stable_diffusion_is_drawn_by_its_decoder(tmp_path: Path) -> None:
    pipeline = stable_diffusion(tmp_path / "hub", ["red disc", "blue bar"])
    folder = trained(
        tmp_path / "shop",
        {"model.checkpoint": str(pipeline), "model.latent": {"lora_rank": 2}, "model.max_length": 8},
    )
    drawn = serving.load(folder).imager.draw(changed(RED, steps=2))
    assert (folder / "decoder.onnx").is_file()
    assert drawn.picture.shape == (16, 16, 3)
    assert drawn.picture.std() > 0
    frame = serving.load(folder).predict_frame(pd.DataFrame({"text": ["red disc"]}))
    assert frame["understood"][0] == 1.0  # the text encoder came pretrained

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.multimodal_models import CUTS, KINDS, PRICES, photo
from vitrina.contracts.http import Refusal
from vitrina.contracts.multimodal import MultimodalRequest
from vitrina.errors import ArtifactError
from vitrina.families.multimodal_product import data, metrics, serving


@pytest.fixture(scope="module")
def predictor(multimodal_shop):
    return serving.load(multimodal_shop[1])


@pytest.fixture(scope="module")
def held_out_rows(multimodal_shop):
    return data.read_examples(multimodal_shop[0], "test")


def one(predictor, **known):
    (prediction,) = serving.analyze(predictor, [MultimodalRequest(**known)])
    return prediction


def test_a_photo_alone_tells_what_a_title_does_not(predictor):
    for kind, path in KINDS.items():
        prediction = one(predictor, image=photo(kind, "red"))
        assert prediction.label == path
        assert prediction.modalities == ["photo"]


def test_a_title_alone_is_enough(predictor):
    prediction = one(predictor, title="nice boots number 7")
    assert prediction.label == KINDS["boots"]
    assert prediction.modalities == ["text"]


def test_text_and_photo_together_beat_the_text_alone(predictor, held_out_rows):
    measured = metrics.evaluate(predictor, held_out_rows).metrics
    assert measured["category_accuracy_both"] > measured["category_accuracy_text"]
    assert measured["category_accuracy_both"] >= 0.9


def test_attributes_are_told_from_photos(predictor):
    prediction = one(predictor, title="nice thing", image=photo("trousers", "green"))
    assert prediction.product.attributes["cut"].values[0].value == CUTS["trousers"]


def test_the_price_is_estimated_and_compared_with_the_stated_one(predictor):
    cheap = one(predictor, title="nice shirt number 3", image=photo("shirt", "red"), price=2.0, currency="EUR")
    dear = one(predictor, title="nice boots number 3", image=photo("boots", "red"))
    assert cheap.price.ratio < 0.5
    assert cheap.price.amount < dear.price.amount
    assert dear.price.amount == pytest.approx(PRICES["boots"], rel=0.5)
    assert dear.price.ratio is None
    assert "price" in cheap.modalities


def test_a_stated_category_is_not_taken_for_an_answer(predictor):
    prediction = one(predictor, title="nice boots number 7", category=KINDS["shirt"])
    assert prediction.label == KINDS["boots"]
    assert "metadata" in prediction.modalities


def test_a_review_tells_what_its_author_thinks(predictor):
    good, bad = (one(predictor, title="boots", review=text).product.sentiment for text in ("lovely great", "awful bad"))
    assert good.rating > bad.rating
    assert good.recommended > bad.recommended


def test_rows_of_a_batch_do_not_know_each_other(predictor):
    requests = [
        MultimodalRequest(title="nice boots number 7"),
        MultimodalRequest(image=photo("shirt", "red")),
        MultimodalRequest(title="a much longer title of nice trousers that go on and on", image=photo("boots", "blue")),
        MultimodalRequest(title="x", price=5.0, currency="EUR", brand="Acme", attributes={"cut": "long"}),
    ]
    together = serving.analyze(predictor, requests)
    alone = [serving.analyze(predictor, [request])[0] for request in requests]
    for both, single in zip(together, alone, strict=True):
        assert both.label == single.label
        assert both.product.confidence == pytest.approx(single.product.confidence, abs=0.03)  # int8: one scale a run


def test_a_request_with_neither_title_nor_image_is_refused_alone(predictor):
    refused, answered = serving.analyze(predictor, [MultimodalRequest(brand="Acme"), MultimodalRequest(title="boots")])
    assert isinstance(refused, Refusal)
    assert refused.status == 422
    assert answered.label


@pytest.mark.parametrize(
    "content",
    [b"no image at all", photo("shirt", "red")[:300], b"\x89PNG\r\n\x1a\n" + b"0" * 50, b"<svg xmlns='x'></svg>"],
)
def test_what_is_no_whole_image_is_refused_in_a_sentence(predictor, content):
    refused = one(predictor, title="boots", image=content)
    assert refused.status == 422
    assert refused.message.endswith(".")


@pytest.mark.parametrize(
    ("format", "mode"), [("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "L"), ("WEBP", "RGB"), ("GIF", "P")]
)
def test_images_of_other_kinds_are_converted(predictor, format, mode):
    assert one(predictor, image=photo("boots", "blue", format, mode)).modalities == ["photo"]


def test_of_an_animation_the_first_frame_is_read(predictor):
    import io

    from PIL import Image

    frames = [Image.open(io.BytesIO(photo(kind, "red", "PNG"))).convert("P") for kind in ("boots", "trousers")]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    still = one(predictor, image=photo("boots", "red", "GIF", "P"), embedding=True)
    moving = one(predictor, image=content.getvalue(), embedding=True)
    assert moving.embedding == pytest.approx(still.embedding, abs=0.05)


def test_an_image_above_ten_megabytes_is_too_large(predictor):
    assert one(predictor, image=b"0" * (10 * 1024 * 1024 + 1)).status == 413


def test_the_vector_is_given_when_it_is_asked_for(predictor):
    assert one(predictor, title="boots").embedding is None
    vector = np.array(one(predictor, title="boots", image=photo("boots", "red"), embedding=True).embedding)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_frame_has_the_monitored_columns_and_embeddings(predictor, held_out_rows):
    from vitrina.families.multimodal_product.spec import SPEC

    frame = predictor.predict_frame(held_out_rows)
    assert set(SPEC.monitored.categorical + SPEC.monitored.numerical) <= set(frame.columns)
    assert {"text", "text+photo"} == set(frame["modalities"])
    assert predictor.embed(held_out_rows).shape == (len(held_out_rows), 48)


def test_names_find_their_photos_more_often_than_chance(predictor, multimodal_shop):
    rows = metrics.with_both(data.read_examples(multimodal_shop[0], "train"))
    named = rows[rows["title"].str.contains("boots|shirt|trousers")].reset_index(drop=True)
    words, looks = predictor.embed(metrics.without(named, "image")), predictor.embed(metrics.without(named, "title"))
    best = (words @ looks.T).argmax(1)
    same = named["category"].to_numpy() == named["category"].to_numpy()[best]
    assert same.mean() > 0.8


def test_a_folder_without_its_settings_is_named(multimodal_shop, tmp_path):
    import shutil

    broken = tmp_path / "model"
    shutil.copytree(multimodal_shop[1], broken)
    settings = json.loads((broken / "labels.json").read_text())
    del settings["views"]
    (broken / "labels.json").write_text(json.dumps(settings))
    with pytest.raises(ArtifactError, match="labels.json lacks 'views'"):
        serving.load(broken)


def test_recall_counts_ties_against_the_row():
    assert metrics.recall(np.zeros((20, 20))) == 0
    assert metrics.recall(np.eye(20)) == 1


def test_withholding_the_title_withholds_all_words():
    rows = pd.DataFrame({"title": ["a"], "description": ["b"], "brand": ["c"], "image": [b"d"], "category": ["e"]})
    assert metrics.without(rows, "title").iloc[0].tolist() == [None, None, None, b"d", "e"]
    assert metrics.without(rows, "image").iloc[0].tolist() == ["a", "b", "c", None, "e"]

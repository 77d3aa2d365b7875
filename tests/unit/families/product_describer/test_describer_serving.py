"""A trained describer: faithful, controllable, clear about what it cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.artifacts import verify_manifest
from vitrina.contracts.http import Refusal
from vitrina.contracts.product_description import DescriptionRequest
from vitrina.errors import ArtifactError
from vitrina.families.product_describer import data, metrics, serving

CHAIR = DescriptionRequest("Luma 999", attributes={"colour": "blue", "material": "oak"}, language="en")


@pytest.fixture(scope="module")
def model(describer_folder: Path) -> serving.Describer:
    return serving.load(describer_folder)


def described(model: serving.Describer, **changes: object) -> serving.Description:
    import msgspec

    found = serving.describe(model, [msgspec.structs.replace(CHAIR, **changes)])[0]
    assert isinstance(found, serving.Description), found
    return found


def test_every_feature_is_said_and_a_new_name_is_copied(model: serving.Describer) -> None:
    found = described(model, title="Zyrtwick & Sons 12")
    assert "Zyrtwick & Sons 12" in found.best.text
    assert "blue" in found.best.text
    assert "oak" in found.best.text
    assert found.best.check.errors == 0
    assert 0 < found.confidence <= 1


def test_spanish_is_written_when_asked_for_and_when_detected(model: serving.Describer) -> None:
    spanish = {"colour": "azul", "material": "roble"}
    assert "silla" in described(model, attributes=spanish, language="es-MX").best.text
    assert (
        "silla"
        in described(model, title="Luma 7", attributes=spanish | {"uso": "para la casa"}, language=None).best.text
    )


def test_a_third_language_and_contradictions_are_refused_with_a_sentence(model: serving.Describer) -> None:
    refused = serving.describe(
        model,
        [
            DescriptionRequest("Stuhl", language="de"),
            DescriptionRequest("Chair", attributes={"colour": "red", "Colour": "blue"}),
            CHAIR,
        ],
    )
    assert [type(each) for each in refused] == [Refusal, Refusal, serving.Description]
    assert "en, es" in str(refused[0])
    assert "twice" in str(refused[1])


def test_a_feature_the_model_cannot_word_is_reported_missing(model: serving.Describer) -> None:
    many = {f"detail {number}": f"value {number}" for number in range(200)}
    found = described(model, attributes={"colour": "blue", "material": "oak", **many})
    assert {"detail 0", "detail 199"} <= set(found.best.check.missing)
    assert "blue" in found.best.text


def test_controls_are_reported_by_what_became_of_them(model: serving.Describer) -> None:
    found = described(model, audience="professionals", length="short", keywords=["home"], price_band="low")
    report = serving.answer(found, "describer", "1", "r").controls
    assert report == {"length": "met", "audience": "not_learned", "keywords": "missed", "price_band": "shown"}


def test_length_and_tone_change_the_text_as_training_showed(model: serving.Describer) -> None:
    short, other = (described(model, length=each).best.text for each in ("short", "medium"))
    assert len(short.split()) < len(other.split())
    plain, warm = (described(model, tone=each).best.text for each in ("neutral", "enthusiastic"))
    assert "Perfect" not in plain
    assert "Perfect" in warm


def test_a_keyword_brings_the_candidate_that_holds_it(model: serving.Describer) -> None:
    assert "easy" in described(model, keywords=["easy"], candidates=4).best.text


def test_candidates_are_distinct_and_their_first_is_the_answer(model: serving.Describer) -> None:
    found = described(model, candidates=4)
    answer = serving.answer(found, "describer", "1", "r")
    texts = [each.text for each in answer.candidates]
    assert len(texts) == len(set(texts)) > 1
    assert answer.description == texts[0]
    sampled = serving.answer(described(model, candidates=3, temperature=1.2, seed=5), "describer", "1", "r")
    again = serving.answer(described(model, candidates=3, temperature=1.2, seed=5), "describer", "1", "r")
    assert sampled.candidates == again.candidates


def test_markup_never_comes_back(model: serving.Describer) -> None:
    found = described(
        model, title='<script>alert("x")</script> Luma', attributes={"<b>size</b>": "10"}, keywords=["<i>"]
    )
    answer = serving.answer(found, "describer", "1", "r")
    seo = answer.seo
    texts = [answer.description, *answer.missing, seo.title, seo.meta_description, *seo.keywords_unused]
    assert not any(set('<>"') & set(text) for text in texts)
    assert "&lt;script&gt;" in answer.description
    assert len(seo.title) <= 60


def test_a_frame_is_described_row_by_row_and_bad_rows_stay_in_place(model: serving.Describer) -> None:
    rows = pd.DataFrame(
        {
            "title": ["Luma 1", "Luma 2"],
            "attributes": [{"colour": "red", "Colour": "blue"}, {"colour": "red", "material": "oak"}],
            "language": ["en", "en"],
        },
        index=[5, 9],
    )
    frame = model.predict_frame(rows)
    assert list(frame.index) == [5, 9]
    assert frame["description"].iloc[0] == ""
    assert "red" in frame["description"].iloc[1]
    vectors = model.embed(rows)
    assert vectors[0].max() == 0
    assert np.linalg.norm(vectors[1]) == pytest.approx(1, abs=1e-4)


def test_an_evaluation_measures_likeness_faithfulness_and_behaviour(
    model: serving.Describer, describer_data: Path, tmp_path: Path
) -> None:
    examples = data.read_examples(describer_data, "test")
    found = metrics.evaluate(model, examples)
    assert found.metrics["slot_error_rate"] <= 0.02
    assert found.metrics["bleu"] > 0.4
    assert {check["check"]: check["rate"] for check in found.behaviour} == {
        "attribute_order": 1.0,
        "new_name": 1.0,
        "markup": 1.0,
    }
    assert list(found.rows["row_id"]) == list(examples["row_id"])
    found.write(tmp_path)
    assert "## Least like the references" in (tmp_path / metrics.SAMPLES_FILE).read_text()


def test_the_folder_is_whole_and_a_missing_decoder_is_named(describer_folder: Path, tmp_path: Path) -> None:
    import shutil

    verify_manifest(describer_folder)
    broken = shutil.copytree(describer_folder, tmp_path / "broken")
    (broken / "decoder.int8.onnx").unlink()
    with pytest.raises(ArtifactError, match="decoder"):
        serving.load(broken)

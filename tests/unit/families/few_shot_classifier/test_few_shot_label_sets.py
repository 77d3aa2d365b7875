"""Named label sets: kept, shared, changed by one writer at a time, and embedded anew for another model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vitrina.errors import ArtifactError, DataError
from vitrina.families.few_shot_classifier.label_sets import LabelSets, UnknownLabelSet
from vitrina.families.few_shot_classifier.predictor import FewShotPredictor, load

REFUND = {"refund": ["i want my money back", "refund this purchase"]}
ORDER = {"order": ["where is my order", "track the parcel"]}


class Counting(FewShotPredictor):
    """The real predictor; counts the texts it embeds.

    Without inner steps: random weights place all texts close together, where steps may swap even a class's own example.
    """

    def __init__(self, inner: FewShotPredictor, version: str) -> None:
        self.__dict__.update(inner.__dict__)
        self.inner, self.version, self.embedded = inner.vectors, version, 0
        self.vectors = self._count  # type: ignore[assignment]
        self.rates = inner.rates.without_steps()

    def _count(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += len(texts)
        return self.inner(texts)


@pytest.fixture(scope="module")
def model(few_shot_folder: Path) -> FewShotPredictor:
    return load(few_shot_folder, "model.onnx")  # int8 of random weights hardly tells texts apart


@pytest.fixture
def predictor(model: FewShotPredictor) -> Counting:
    return Counting(model, "v1")


@pytest.fixture
def sets(tmp_path: Path) -> LabelSets:
    return LabelSets(tmp_path / "sets", most_classes=5)


def labels(sets: LabelSets, predictor: FewShotPredictor, texts: Sequence[str]) -> list[str]:
    return [each.label for each in predictor.label(sets.classifier("desk", predictor), texts)]


def test_a_set_answers_as_its_examples_given_directly_do(sets: LabelSets, predictor: Counting) -> None:
    sets.put("desk", REFUND | ORDER, predictor)
    texts = ["money back please", "where is my parcel", "hello"]
    direct = predictor.label(predictor.classifier(dict(sorted((REFUND | ORDER).items()))), texts)
    kept = predictor.label(sets.classifier("desk", predictor), texts)
    assert [each.label for each in kept] == [each.label for each in direct]
    np.testing.assert_allclose([e.confidence for e in kept], [e.confidence for e in direct], atol=0.02)  # int8 batches


def test_a_class_is_added_or_replaced_without_touching_the_others(sets: LabelSets, predictor: Counting) -> None:
    sets.put("desk", REFUND | ORDER, predictor)
    sets.put("desk", {"hours": ["when do you open"]}, predictor)
    assert sets.get("desk").classes == REFUND | ORDER | {"hours": ["when do you open"]}
    sets.put("desk", {"hours": ["opening hours today"]}, predictor)
    assert sets.get("desk").classes["hours"] == ["opening hours today"]
    assert labels(sets, predictor, ["opening hours today"]) == ["hours"]  # exactly its only example


def test_every_example_finds_its_own_class_whatever_the_order_of_the_names(
    sets: LabelSets, predictor: Counting
) -> None:
    given: Mapping[str, list[str]] = {"z": ["where is my order"], "a": ["quiero un reembolso"], "m": ["are you open"]}
    sets.put("desk", given, predictor)
    fresh = LabelSets(sets._folder, 5)
    assert labels(fresh, predictor, [part[0] for part in given.values()]) == list(given)


def test_another_process_sees_the_set_at_once_and_uses_the_embeddings_kept(
    sets: LabelSets, predictor: Counting
) -> None:
    other = LabelSets(sets._folder, 5)
    sets.put("desk", REFUND | ORDER, predictor)
    before = predictor.embedded
    other.classifier("desk", predictor)
    assert predictor.embedded == before
    sets.put("desk", {"hours": ["when do you open"]}, predictor)
    assert len(other.classifier("desk", predictor).labels) == 3
    other.delete("desk")
    with pytest.raises(UnknownLabelSet, match="no label set 'desk'"):
        sets.classifier("desk", predictor)


def test_a_new_model_embeds_the_examples_anew(sets: LabelSets, predictor: Counting, model: FewShotPredictor) -> None:
    sets.put("desk", REFUND | ORDER, predictor)
    newer = Counting(model, "v2")
    found = sets.classifier("desk", newer)
    assert newer.embedded == 4
    assert sets.classifier("desk", newer) is found  # once
    assert newer.embedded == 4


def test_writers_at_the_same_time_lose_no_class(sets: LabelSets, predictor: Counting) -> None:
    others = [LabelSets(sets._folder, 50) for _ in range(4)]

    def add(number: int) -> None:
        others[number % 4].put("desk", {f"class {number}": [f"text {number}"]}, predictor)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))
    assert len(sets.get("desk").classes) == 20


def test_a_refused_change_leaves_the_set_as_it_was(sets: LabelSets, predictor: Counting) -> None:
    sets.put("desk", REFUND | ORDER, predictor)
    with pytest.raises(DataError, match="would have 7 classes; at most 5"):
        sets.put("desk", {f"class {n}": ["text"] for n in range(5)}, predictor)
    assert sets.get("desk").classes == REFUND | ORDER


def test_a_class_is_taken_out_and_an_unknown_one_is_named(sets: LabelSets, predictor: Counting) -> None:
    sets.put("desk", REFUND | ORDER | {"hours": ["when do you open"]}, predictor)
    sets.remove_class("desk", "refund", predictor)
    assert "refund" not in sets.classifier("desk", predictor).labels
    with pytest.raises(UnknownLabelSet, match="'desk' has no class 'refund'"):
        sets.remove_class("desk", "refund", predictor)
    sets.remove_class("desk", "order", predictor)
    with pytest.raises(DataError, match="two or more classes; there is 1"):
        sets.classifier("desk", predictor)
    sets.remove_class("desk", "hours", predictor)
    sets.put("desk", REFUND | ORDER, predictor)
    assert sets.classifier("desk", predictor).labels == ("order", "refund")


def test_a_damaged_file_and_another_modality_are_refused_in_a_sentence(sets: LabelSets, predictor: Counting) -> None:
    sets.put("desk", REFUND | ORDER, predictor)
    path = sets._folder / "desk.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"modality": "image"}))
    with pytest.raises(DataError, match="made for images; this model reads texts"):
        sets.classifier("desk", predictor)
    path.write_text("{")
    with pytest.raises(ArtifactError, match="not valid JSON"):
        sets.classifier("desk", predictor)
    path.write_text("{}")
    with pytest.raises(ArtifactError, match="is no label set"):
        sets.get("desk")
    assert sets.names() == ["desk"]

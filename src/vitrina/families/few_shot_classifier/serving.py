"""`/ai/few-shot` on an exported folder: labels for the caller's own classes, and the label sets that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vitrina.contracts.few_shot import (
    MOST_CLASSES,
    FewShotAnswer,
    FewShotLabel,
    FewShotRecord,
    FewShotRequest,
    LabelSetAnswer,
    LabelSetClass,
    LabelSetList,
)
from vitrina.contracts.http import Refusal
from vitrina.errors import DataError
from vitrina.families.few_shot_classifier.label_sets import LabelSet, LabelSets, UnknownLabelSet
from vitrina.families.few_shot_classifier.predictor import Classifier, FewShotPredictor, Prediction, load
from vitrina.settings import load_settings

__all__ = ["FewShotApi", "FewShotPredictor", "load"]

SUFFIXED = 120
"""Characters of a request id that stay when a number is added: an identifier has at most 128."""


class FewShotApi:
    """What the service's endpoints do; a `call` is a `vitrina.serving.operation.Call`."""

    def __init__(self, label_sets: LabelSets | None = None) -> None:
        """`label_sets` default to the folder under VITRINA_HOME that all workers share."""
        self._sets = label_sets or LabelSets(load_settings().home / "label_sets", MOST_CLASSES)

    def label(self, call: Any) -> FewShotAnswer:
        """POST /ai/few-shot.

        Raises:
            Refusal: 404 for an unknown label set, 422 for classes or queries that the model cannot take.
        """
        loaded, request = call.model(), call.request
        predictor: FewShotPredictor = loaded.predictor
        try:
            classes = _checked(request, predictor.modality)
            queries = _queries(request, predictor.modality)
            vectors = predictor.vectors(queries) if queries else None  # first: what cannot be read changes no label set
            classifier = self._classifier(request, classes, vectors is not None, predictor)
        except UnknownLabelSet as error:
            raise Refusal(404, str(error)) from error
        except DataError as error:
            raise Refusal(422, str(error)) from error
        predictions = predictor.answers(classifier, vectors) if classifier and vectors is not None else []
        answers = _answers(predictions, call.request_id)
        source = loaded.source
        for text, answer in zip(queries, answers, strict=True):
            call.log(_record(text, answer, request.label_set, predictor, source.model, source.version))
        labels = list(classifier.labels) if classifier else sorted(self._sets.labels(request.label_set))
        return FewShotAnswer(answers, labels, request.label_set, source.model, source.version, call.request_id)

    def _classifier(
        self, request: FewShotRequest, classes: dict[str, list[str]], asked: bool, predictor: FewShotPredictor
    ) -> Classifier | None:
        """The classifier of this request, once its label set is up to date; None: nothing is asked."""
        name = request.label_set
        if name is None:
            return predictor.classifier(classes)
        if classes:
            if asked and len(self._sets.labels(name) | set(classes)) < 2:
                raise DataError(f"Labelling needs two or more classes; label set '{name}' would have one.")
            self._sets.put(name, classes, predictor)
        return self._sets.classifier(name, predictor) if asked else None

    def names(self, call: Any) -> LabelSetList:
        """GET /ai/few-shot/label-sets."""
        return LabelSetList(self._sets.names(), call.request_id)

    def show(self, call: Any) -> LabelSetAnswer:
        """GET /ai/few-shot/label-sets/{name}; Refusal 404 without such a set."""
        name = call.parameters["name"]
        return self._known(lambda: _described(name, self._sets.get(name), call.request_id))

    def delete(self, call: Any) -> LabelSetAnswer:
        """DELETE /ai/few-shot/label-sets/{name}; Refusal 404 without such a set."""
        name = call.parameters["name"]
        self._known(lambda: self._sets.delete(name))
        return LabelSetAnswer(name, [], datetime.now(UTC), call.request_id)

    def remove_class(self, call: Any) -> LabelSetAnswer:
        """DELETE /ai/few-shot/label-sets/{name}/classes/{label}; Refusal 404 without such a set or class."""
        name, predictor = call.parameters["name"], call.model().predictor
        kept = self._known(lambda: self._sets.remove_class(name, call.parameters["label"], predictor))
        return _described(name, kept, call.request_id)

    def _known(self, action: Any) -> Any:
        try:
            return action()
        except UnknownLabelSet as error:
            raise Refusal(404, str(error)) from error


def _checked(request: FewShotRequest, modality: str) -> dict[str, list[str]]:
    """The classes of a request: label → examples.

    Raises:
        DataError: for what the schema cannot see: the wrong kind of example, none, or a label given twice.
    """
    if not request.classes and request.label_set is None:
        raise DataError("Give classes with examples, or the name of a label set.")
    found: dict[str, list[str]] = {}
    for each in request.classes:
        examples = _of_modality(each.texts, each.images, modality)
        if not examples:
            raise DataError(f"Class '{each.label}' has no example; give one to five {modality}s.")
        if each.label.strip() in found:
            raise DataError(f"Class '{each.label}' is given twice; put its examples together.")
        found[each.label.strip()] = examples
    return found


def _queries(request: FewShotRequest, modality: str) -> list[str]:
    queries = _of_modality(request.texts, request.images, modality)
    if not queries and not (request.classes and request.label_set):
        raise DataError(f"There is nothing to label: give {modality}s.")
    return queries


def _of_modality(texts: Sequence[str], images: Sequence[str], modality: str) -> list[str]:
    given, other = (texts, images) if modality == "text" else (images, texts)
    if other:
        unfit = "images" if modality == "text" else "texts"
        raise DataError(f"This model reads {modality}s: it cannot take {unfit}.")
    return list(given)


def _answers(predictions: Sequence[Prediction], request_id: str) -> list[FewShotLabel]:
    alone = len(predictions) == 1
    names = [request_id if alone else f"{request_id[:SUFFIXED]}-{number}" for number in range(len(predictions))]
    return [
        FewShotLabel(each.label, each.confidence, each.distribution, each.low_confidence, name)
        for each, name in zip(predictions, names, strict=True)
    ]


def _record(
    text: str, answer: FewShotLabel, label_set: str | None, predictor: FewShotPredictor, model: str, version: str
) -> FewShotRecord:
    return FewShotRecord(
        request_id=answer.prediction_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        text=predictor.logged(text),
        language=predictor.language(text),
        length=len(text),
        label=answer.label,
        confidence=answer.confidence,
        low_confidence=answer.low_confidence,
        ways=len(answer.distribution),
        label_set=label_set,
    )


def _described(name: str, kept: LabelSet, request_id: str) -> LabelSetAnswer:
    classes = [LabelSetClass(label, len(examples)) for label, examples in kept.classes.items()]
    return LabelSetAnswer(name, classes, kept.updated_at, request_id)

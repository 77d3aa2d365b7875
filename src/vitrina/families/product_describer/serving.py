"""Product features → description on an exported folder: tokenizers, ONNX Runtime, NumPy; no torch, no transformers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.escaping import escaped
from vitrina.contracts.http import Refusal
from vitrina.contracts.product_description import (
    DescriptionCandidate,
    DescriptionRecord,
    DescriptionRequest,
    GeneratedDescription,
)
from vitrina.errors import ArtifactError, DataError
from vitrina.families.layers.onnx_text import load_session, load_tokenizer
from vitrina.families.layers.products import products_of
from vitrina.families.product_describer import seo
from vitrina.families.product_describer.checker import EVIDENCE_FILE, Checker, Evidence
from vitrina.families.product_describer.choosing import Candidate
from vitrina.families.product_describer.decoding import Generator, Search
from vitrina.families.product_describer.describing import Reader, Task, ranked
from vitrina.families.product_describer.slots import Slot, lexicalised
from vitrina.families.product_describer.tokens import Texts

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 16
"""Products searched together by the offline paths."""


@dataclass(frozen=True)
class Description:
    """The candidates for one product, best first, with what was asked."""

    request: DescriptionRequest
    task: Task
    candidates: list[Candidate]

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    @property
    def confidence(self) -> float:
        """Probability of a token, the geometric mean over the text, 0–1."""
        return math.exp(min(0.0, self.best.score))


class Describer:
    """A loaded model. Thread-safe; every call may hold any number of products."""

    def __init__(self, generator: Generator, texts: Texts, evidence: Evidence, settings: dict[str, Any]) -> None:
        """`settings` is the content of `labels.json`; see the family's README."""
        schema = {slot["name"]: Slot(slot["kind"], slot["copies"], slot["values"]) for slot in settings["slots"]}
        self.generator, self.texts = generator, texts
        self.checker = Checker(schema, evidence)
        self.reader = Reader(schema, settings["controls"], texts, int(settings["max_source"]))
        self.max_target = int(settings["max_target"])
        self.search = Search(width=int(settings["beams"]), tokens=self.max_target)

    def describe(
        self, requests: Sequence[DescriptionRequest], search: Search | None = None
    ) -> list[Description | DataError]:
        """One description per request, or why there is none, in order.

        Args:
            search: one way of searching for all; default: what each request asks for.
        """
        answers: list[Any] = [self._read(request) for request in requests]
        ways: dict[Search, list[int]] = {}
        for row, answer in enumerate(answers):
            if isinstance(answer, Task):
                ways.setdefault(search or self._way(requests[row]), []).append(row)
        for way, rows in ways.items():
            for start in range(0, len(rows), CHUNK):
                chunk = rows[start : start + CHUNK]
                found = self._candidates([answers[row] for row in chunk], way)
                for row, candidates in zip(chunk, found, strict=True):
                    answers[row] = Description(requests[row], answers[row], candidates)
        return answers

    def _read(self, request: DescriptionRequest) -> Task | DataError:
        try:
            return self.reader.task(request)
        except DataError as error:
            return error

    def _way(self, request: DescriptionRequest) -> Search:
        drawn = request.temperature > 0
        return Search(
            width=max(request.candidates, 1 if drawn else request.beams),
            temperature=request.temperature,
            top_p=request.top_p if drawn else 1.0,
            length_penalty=self.search.length_penalty if request.length_penalty is None else request.length_penalty,
            no_repeat=request.no_repeat,
            tokens=min(request.max_tokens or self.max_target, self.max_target),
            seed=request.seed if drawn else 0,
        )

    def _candidates(self, tasks: list[Task], way: Search) -> list[list[Candidate]]:
        sources, banned = [task.ids for task in tasks], [task.banned for task in tasks]
        found = self.generator.search(sources, banned, way, lambda row, ids: self._is_faithful(tasks[row], ids))
        return [
            ranked(task, texts, self.texts, self.checker) or [_nothing(task, self.checker)]
            for task, texts in zip(tasks, found, strict=True)
        ]

    def _is_faithful(self, task: Task, ids: Sequence[int]) -> bool:
        text = lexicalised(self.texts.decode(ids), task.copies)
        return self.checker.check(text, task.slots).errors == 0

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Descriptions in the columns of the prediction log, with the names of missing and invented features.

        Same index as `examples`. A product that cannot be described has an empty description and all features missing.
        """
        import pandas as pd

        requests = requests_of(examples)
        answers = self.describe(requests, self.search)
        columns = ("title", "brand", "category", "price", "currency")
        known: dict[str, Any] = {name: [getattr(each, name) for each in requests] for name in columns}
        known["category"] = [value or "" for value in known["category"]]
        frame = pd.DataFrame([_row(answer) for answer in answers], index=examples.index)
        return pd.concat([pd.DataFrame(known, index=examples.index), frame], axis=1).astype({"price": float})

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, width) float32, L2-normalised: the mean of the encoded features; zeros where they contradict."""
        tasks = [self._read(request) for request in requests_of(examples)]
        width = self.generator.embed([[self.texts.end]]).shape[1]
        found = np.zeros((len(tasks), width), dtype=np.float32)
        rows = [row for row, task in enumerate(tasks) if isinstance(task, Task)]
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            found[chunk] = self.generator.embed([tasks[row].ids for row in chunk])  # type: ignore[union-attr]
        return found


def _nothing(task: Task, checker: Checker) -> Candidate:
    """What a model that says nothing is taken to say: the title."""
    text = task.slots["name"]
    return Candidate(text, NOTHING, NOTHING, checker.check(text, task.slots), task.unmet(text))


NOTHING = -20.0
"""Score of a text that the model did not write."""


def _row(answer: Description | DataError) -> dict[str, Any]:
    if isinstance(answer, DataError):
        return {"language": UNDETERMINED, "description": "", "length": 0, "confidence": 0.0} | _errors((), ())
    best = answer.best
    return {
        "language": answer.task.language,
        "description": best.text,
        "length": len(best.text.split()),
        "confidence": answer.confidence,
        **_errors(best.check.missing, best.check.invented),
        "slots": len(answer.task.slots),
    }


def _errors(missing: Sequence[str], invented: Sequence[str]) -> dict[str, Any]:
    return {
        "missing": len(missing),
        "invented": len(invented),
        "missing_slots": ", ".join(missing),
        "invented_slots": ", ".join(invented),
        "slots": 0,
    }


def requests_of(frame: pd.DataFrame) -> list[DescriptionRequest]:
    """One request per row of a catalogue frame; only `title` must be there."""
    return [
        DescriptionRequest(
            title=product.title,
            brand=product.brand,
            category=product.category,
            price=product.price,
            currency=product.currency,
            attributes=product.attributes,
            language=product.language if product.language != UNDETERMINED else None,
        )
        for product in products_of(frame)
    ]


def load(folder: Path, weights: str | None = None) -> Describer:
    """Load an exported folder; `weights` names the encoder's ONNX file (default: int8), the decoder's follows it.

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    folder = Path(folder)
    encoder = load_session(folder, weights)
    decoder = load_session(folder, weights.replace("model", "decoder", 1) if weights else _decoder(folder))
    settings = read_json(folder / "labels.json")
    try:
        texts = Texts(load_tokenizer(folder, int(settings["max_source"])))
        generator = Generator(encoder, decoder, texts.pad, texts.end)
        return Describer(generator, texts, _evidence(folder, settings["evidence"]), settings)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error


def _evidence(folder: Path, named: dict[str, Any]) -> Evidence:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return Evidence(named["phrases"], dict(named["values"]), **load_file(folder / EVIDENCE_FILE))
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder / EVIDENCE_FILE} cannot be read: {error}.") from error


def _decoder(folder: Path) -> str:
    return "decoder.int8.onnx" if (folder / "model.int8.onnx").is_file() else "decoder.onnx"


def describe(model: Describer, requests: Sequence[DescriptionRequest]) -> list[Description | Refusal]:
    """Run a batch of requests; one that cannot be answered is refused with 422."""
    answers = model.describe(requests)
    return [Refusal(422, str(answer)) if isinstance(answer, DataError) else answer for answer in answers]


def answer(found: Description, model: str, version: str, request_id: str) -> GeneratedDescription:
    """The body that `POST /ai/generate-description` answers."""
    asked, best = found.request, found.best
    kept = found.candidates[: asked.candidates]
    return GeneratedDescription(
        description=escaped(best.text),
        candidates=[
            DescriptionCandidate(
                escaped(each.text), each.score, _names(each.check.missing), _names(each.check.invented)
            )
            for each in kept
        ],
        missing=_names(best.check.missing),
        invented=_names(best.check.invented),
        language=found.task.language,
        controls=_report(found),
        seo=seo.listing(asked.title, asked.brand, best.text, asked.keywords, found.task.language),
        model=model,
        version=version,
        request_id=request_id,
    )


def _report(found: Description) -> dict[str, str]:
    """What became of each control that was asked for."""
    asked, task = found.request, found.task
    report = {name: "missed" if name in found.best.unmet else "met" for name in task.wanted}
    if asked.keywords:
        report["keywords"] = "missed" if set(asked.keywords) & set(found.best.unmet) else "met"
    if asked.price_band:
        report["price_band"] = "shown"
    return report | {name: "not_learned" for name in task.unlearned if report[name] != "met"}


def _names(slots: Sequence[str]) -> list[str]:
    return [escaped(name) for name in slots]


def record(
    request: DescriptionRequest, found: Description, model: str, version: str, request_id: str
) -> DescriptionRecord:
    """The line of the prediction log."""
    best = found.best
    return DescriptionRecord(
        request_id=request_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        title=request.title,
        brand=request.brand,
        category=request.category or "",
        price=request.price,
        currency=request.currency,
        language=found.task.language,
        description=best.text,
        length=len(best.text.split()),
        confidence=found.confidence,
        missing=len(best.check.missing),
        invented=len(best.check.invented),
    )

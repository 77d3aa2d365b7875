"""Quality of a product describer: likeness to people's descriptions, faithfulness, variety, behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.product_description import DescriptionRequest
from vitrina.evaluation import generation
from vitrina.evaluation.report import Evaluation
from vitrina.families.product_describer.data import REFERENCES
from vitrina.families.product_describer.serving import Describer, Description, requests_of

if TYPE_CHECKING:
    import pandas as pd

CASES = 100
SAMPLES = 12
LEAST = 20
NEW_NAME = "Zyrtwick & Sons"
SAMPLES_FILE = "samples.md"


def evaluate(predictor: Describer, examples: pd.DataFrame) -> Evaluation:
    """The family's metrics on rows with `references`; see `MetricsModule.evaluate`.

    A row's score is its sentence BLEU. `slot_error_rate` counts missing and invented features by the model's own
    checker, over the features given.
    """
    import pandas as pd

    predicted = predictor.predict_frame(examples)
    texts = list(predicted["description"])
    references = [list(each) for each in examples[REFERENCES]]
    scores = generation.sentence_bleu(texts, references)
    metrics = {
        **generation.corpus_scores(texts, references),
        "slot_error_rate": _error_rate(predicted),
        "missing_rate": float(predicted["missing"].sum() / max(1, predicted["slots"].sum())),
        "invented_rate": float(predicted["invented"].sum() / max(1, predicted["slots"].sum())),
        "distinct_1": generation.distinct(texts, 1),
        "distinct_2": generation.distinct(texts, 2),
        "self_repetition": generation.self_repetition(texts),
        "words": float(predicted["length"].mean()),
        "rows": float(len(texts)),
    }
    checks = _behaviour(predictor, examples.head(CASES), texts[:CASES])
    metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    rows = pd.DataFrame({"row_id": examples["row_id"].to_numpy(), "score": scores})
    slices = _slices(predicted, references)
    return Evaluation(
        metrics, rows, slices, checks, {SAMPLES_FILE: lambda: _samples(examples, predicted, references, scores)}
    )


def _error_rate(predicted: pd.DataFrame) -> float:
    return float((predicted["missing"] + predicted["invented"]).sum() / max(1, predicted["slots"].sum()))


def _slices(predicted: pd.DataFrame, references: Sequence[list[str]]) -> list[dict[str, Any]]:
    """By language and by number of features."""
    found = []
    frame = predicted.reset_index(drop=True)
    for name, values in (("language", frame["language"]), ("features", frame["slots"])):
        for value, part in frame.groupby(values):
            if len(part) >= LEAST:
                refs = [references[row] for row in part.index]
                scores = generation.corpus_scores(list(part["description"]), refs)
                errors = {"slot_error_rate": _error_rate(part)}
                found.append({"slice": name, "value": str(value), "rows": len(part), **scores, **errors})
    return found


def _behaviour(predictor: Describer, examples: pd.DataFrame, texts: list[str]) -> list[dict[str, Any]]:
    """What must hold whatever the data: order means nothing, new names are copied, markup never comes back."""
    requests = requests_of(examples)
    turned = [_with(each, attributes=dict(reversed(each.attributes.items()))) for each in requests]
    renamed = [_with(each, title=NEW_NAME) for each in requests]
    marked = [_with(each, title=f"<script>x</script> {each.title}") for each in requests]
    same = [new == old for new, old in zip(_texts(predictor, turned), texts, strict=True)]
    checks = [_check("attribute_order", same, texts)]
    if "name" in predictor.reader.schema and predictor.reader.schema["name"].kind == "copied":
        spelt = _texts(predictor, renamed)
        checks.append(_check("new_name", [NEW_NAME in text for text in spelt], spelt))
    written = _texts(predictor, marked, escaped=True)
    return [*checks, _check("markup", ["<" not in text for text in written], written)]


def _with(request: DescriptionRequest, **changes: Any) -> DescriptionRequest:
    import msgspec

    return msgspec.structs.replace(request, **changes)


def _texts(predictor: Describer, requests: list[DescriptionRequest], escaped: bool = False) -> list[str]:
    from vitrina.contracts.escaping import escaped as safe

    found = predictor.describe(requests, predictor.search)
    texts = [each.best.text if isinstance(each, Description) else "" for each in found]
    return [safe(text) for text in texts] if escaped else texts


def _check(name: str, passed: list[bool], texts: list[str]) -> dict[str, Any]:
    failures = [text for good, text in zip(passed, texts, strict=True) if not good]
    return {
        "check": name,
        "cases": len(passed),
        "passed": sum(passed),
        "rate": float(np.mean(passed)) if passed else 1.0,
        "failures": failures[:3],
    }


def _samples(
    examples: pd.DataFrame, predicted: pd.DataFrame, references: Sequence[list[str]], scores: np.ndarray
) -> bytes:
    """The best, the usual and the worst descriptions, and unfaithful ones, with their features."""
    order = np.argsort(-scores, kind="stable")
    middle = len(order) // 2
    wrong = np.flatnonzero((predicted["missing"] + predicted["invented"]).to_numpy() > 0)
    parts = {
        "Most like the references": order[: SAMPLES // 3],
        "Usual": order[middle : middle + SAMPLES // 3],
        "Least like the references": order[-SAMPLES // 3 :],
        "With missing or invented features": wrong[: SAMPLES // 3],
    }
    lines = ["# Samples", ""]
    for title, rows in parts.items():
        lines += [f"## {title}", ""]
        for row in rows:
            said = predicted.iloc[row]
            lines += [f"- **{said['title']}** {_features(examples.iloc[row])}", f"  - model: {said['description']}"]
            lines += [
                f"  - the nearest reference: {_nearest(said['description'], references[row])}",
                f"  - BLEU of the sentence: {scores[row]:.2f}",
            ]
            lines += [f"  - missing: {said['missing_slots'] or 'none'}; invented: {said['invented_slots'] or 'none'}"]
        lines += ["" if len(rows) else "None.\n"]
    return "\n".join(lines).encode()


def _nearest(text: str, references: Sequence[str]) -> str:
    """The reference most like a text."""
    scores = generation.sentence_bleu([text] * len(references), [[each] for each in references])
    return references[int(np.argmax(scores))]


def _features(example: Any) -> str:
    from vitrina.families.layers.products import products_of

    product = products_of(example.to_frame().T)[0]
    return ", ".join(f"{name}: {value}" for name, value in product.attributes.items())

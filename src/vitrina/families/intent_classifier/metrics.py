"""How good an intent classifier is: accuracy, calibration, out-of-scope detection, slices, behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.errors import DataError
from vitrina.evaluation import behaviour, calibration, classification
from vitrina.evaluation.report import Evaluation

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import Predictor


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Measure a loaded model on labelled messages; see `MetricsModule.evaluate`.

    In-scope rows count for accuracy by their best intent, whether or not the model flagged them; what flagging costs
    is `accuracy_served`, where a flagged in-scope row is wrong. Out-of-scope rows score 1 when flagged.

    Raises:
        DataError: when no row is in scope.
    """
    import pandas as pd

    predicted = predictor.predict_frame(examples)
    truth = examples["intent"].to_numpy()
    is_out = truth == OUT_OF_SCOPE
    if is_out.all():
        raise DataError("None of the rows to evaluate has an in-scope intent.")
    flagged = predicted["out_of_scope"].to_numpy(dtype=bool)
    hit = predicted["label"].to_numpy() == truth
    rows = pd.DataFrame({"row_id": examples["row_id"], "score": np.where(is_out, flagged, hit).astype(float)})
    metrics = _in_scope(truth[~is_out], predicted[~is_out])
    metrics |= classification.out_of_scope_metrics(predicted["oos_score"].to_numpy(), is_out, flagged)
    right = examples[hit & ~is_out]
    checks = behaviour.invariance(
        lambda texts: list(predictor.predict_frame(pd.DataFrame({"text": texts}))["label"]),
        list(right["text"]),
        list(_languages(right, predicted)),
    )
    if checks:
        metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    return Evaluation(metrics, rows, _slices(examples[~is_out], predicted[~is_out], hit[~is_out]), checks)


def _in_scope(truth: np.ndarray, predicted: pd.DataFrame) -> dict[str, float]:
    label, confidence = predicted["label"].to_numpy(), predicted["confidence"].to_numpy()
    correct = label == truth
    asked = predicted["needs_clarification"].to_numpy(dtype=bool)
    metrics = {
        "accuracy": classification.accuracy(truth, label),
        "macro_f1": classification.macro_f1(truth, label),
        "calibration_error": calibration.expected_calibration_error(confidence, correct),
        "accuracy_served": float((correct & ~predicted["out_of_scope"].to_numpy(dtype=bool)).mean()),
        "clarification_rate": float(asked.mean()),
        "rows": float(len(truth)),
    }
    if (~asked).any():
        metrics["accuracy_when_sure"] = float(correct[~asked].mean())
    return metrics


def _languages(examples: pd.DataFrame, predicted: pd.DataFrame) -> pd.Series:
    stated = examples["language"] if "language" in examples else predicted.loc[examples.index, "language"]
    return stated.fillna("")


def _slices(examples: pd.DataFrame, predicted: pd.DataFrame, hit: np.ndarray) -> list[dict[str, Any]]:
    import pandas as pd

    by: dict[str, Any] = {
        "language": _languages(examples, predicted),
        "length": examples["text"].str.split().map(len).map(classification.length_band),
    }
    if "domain" in examples and examples["domain"].notna().any():
        by["domain"] = examples["domain"]
    return classification.slices(pd.Series(hit.astype(float), index=examples.index), by)

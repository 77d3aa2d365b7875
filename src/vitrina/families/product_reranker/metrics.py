"""How good a product re-ranker is: F1 of the matches, ranking, calibration, slices, behaviour."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.errors import DataError
from vitrina.evaluation import behaviour, calibration, classification, matching
from vitrina.evaluation.report import Evaluation
from vitrina.text.augmentation import swap_typo

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import Predictor

CASES = 200


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Measure a loaded model on labelled pairs, at its own threshold; see `MetricsModule.evaluate`.

    Raises:
        DataError: when the pairs are all matches, or none is.
    """
    import pandas as pd

    truth = examples["match"].to_numpy(dtype=bool)
    if truth.all() or not truth.any():
        raise DataError("The pairs to evaluate need both matches and others.")
    predicted = predictor.predict_frame(examples)
    decided = predicted["label"].to_numpy() == "same"
    correct = decided == truth
    metrics = _metrics(truth, decided, predicted["score"].to_numpy())
    right = examples[correct].sample(frac=1, random_state=7).head(CASES)
    checks = _behaviour(predictor, right)
    if checks:
        metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    rows = pd.DataFrame({"row_id": examples["row_id"], "score": correct.astype(float)})
    return Evaluation(metrics, rows, _slices(examples, truth, decided), checks)


def _metrics(truth: np.ndarray, decided: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

    return {
        "f1": matching.f1(truth, decided),
        "precision": float(precision_score(truth, decided, zero_division=0)),
        "recall": float(recall_score(truth, decided)),
        "auc": float(roc_auc_score(truth, scores)),
        "average_precision": float(average_precision_score(truth, scores)),
        "accuracy": float((truth == decided).mean()),
        "calibration_error": calibration.expected_calibration_error(scores, truth),
        "rows": float(len(truth)),
        "matches": float(truth.sum()),
    }


def _slices(examples: pd.DataFrame, truth: np.ndarray, decided: np.ndarray) -> list[dict[str, Any]]:
    """Accuracy of every slice, and F1 of those that hold a match."""
    import pandas as pd

    by = {
        "price": _known(examples, "price"),
        "brand": _known(examples, "brand"),
        "description": _known(examples, "description"),
        "length": examples["left_title"].str.split().map(len).map(classification.length_band),
    }
    found = classification.slices(pd.Series((truth == decided).astype(float), index=examples.index), by)
    for each in found:
        inside = (by[each["slice"]] == each["value"]).to_numpy()
        if truth[inside].any():
            each["f1"] = matching.f1(truth[inside], decided[inside])
    return found


def _known(examples: pd.DataFrame, name: str) -> pd.Series:
    """Whether both products, one or none of them state a field."""
    import pandas as pd

    columns = [column for column in (f"left_{name}", f"right_{name}") if column in examples]
    known = examples[columns].notna().sum(axis=1) if columns else pd.Series(0, index=examples.index)
    return known.map({0: "none", 1: "one", 2: "both"})


def _behaviour(predictor: Predictor, pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """Edits that must not change the label of pairs that the model got right."""
    if pairs.empty:
        return []
    rng = random.Random(7)
    edits: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "case": lambda frame: frame.assign(left_title=frame["left_title"].str.upper()),
        "typo": lambda frame: frame.assign(left_title=[swap_typo(title, rng) for title in frame["left_title"]]),
        "sides": lambda frame: frame.rename(columns=_turned),
    }
    before = list(predictor.predict_frame(pairs)["label"])
    checks = []
    for name, edit in edits.items():
        changed = edit(pairs)
        after = list(predictor.predict_frame(changed)["label"])
        checks.append(behaviour.compared(name, _shown(pairs), _shown(changed), before, after))
    return checks


def _turned(column: str) -> str:
    side, _, name = column.partition("_")
    return {"left": "right", "right": "left"}.get(side, side) + f"_{name}" if name else column


def _shown(pairs: pd.DataFrame) -> list[str]:
    return list(pairs["left_title"] + " / " + pairs["right_title"])

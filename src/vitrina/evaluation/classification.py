"""Metrics of a classifier: accuracy, macro-F1, out-of-scope detection, slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def accuracy(truth: Sequence[str] | np.ndarray, predicted: Sequence[str] | np.ndarray) -> float:
    """Share of equal entries, 0–1; NaN for no rows."""
    truth_array, predicted_array = np.asarray(truth, dtype=object), np.asarray(predicted, dtype=object)
    return float((truth_array == predicted_array).mean()) if len(truth_array) else float("nan")


def macro_f1(truth: Sequence[str] | np.ndarray, predicted: Sequence[str] | np.ndarray) -> float:
    """Unweighted mean F1 over the classes present in `truth`, 0–1."""
    from sklearn.metrics import f1_score

    present = sorted(set(truth))
    return float(f1_score(truth, predicted, labels=present, average="macro", zero_division=0))


def per_class(truth: Sequence[str], predicted: Sequence[str]) -> pd.DataFrame:
    """One line a class of `truth`, the most frequent first: rows, precision, recall, f1, and what it is taken for."""
    import pandas as pd
    from sklearn.metrics import precision_recall_fscore_support

    counts = pd.Series(list(truth)).value_counts()
    labels = sorted(counts.index, key=lambda name: (-counts[name], name))
    precision, recall, f1, rows = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    wrong = pd.DataFrame({"true": list(truth), "said": list(predicted)}).query("true != said")
    mistaken = wrong.groupby("true")["said"].agg(lambda said: said.value_counts().index[0])
    return pd.DataFrame({"class": labels, "rows": rows, "precision": precision, "recall": recall, "f1": f1}).assign(
        mistaken_for=[mistaken.get(name, "") for name in labels]
    )


def out_of_scope_metrics(scores: np.ndarray, is_out: np.ndarray, flagged: np.ndarray) -> dict[str, float]:
    """AUROC of the score, and recall and false-alarm rate of the decision; empty when one kind is absent.

    Args:
        scores: (rows,) higher is further out of scope.
        is_out: (rows,) bool, the truth.
        flagged: (rows,) bool, the decision at the model's threshold.
    """
    if not is_out.any() or is_out.all():
        return {}
    from sklearn.metrics import roc_auc_score

    return {
        "oos_auroc": float(roc_auc_score(is_out, scores)),
        "oos_recall": float(flagged[is_out].mean()),
        "oos_false_alarms": float(flagged[~is_out].mean()),
    }


def slices(correct: pd.Series, by: Mapping[str, Iterable[object]], *, minimum_rows: int = 20) -> list[dict[str, Any]]:
    """Accuracy of every value of every slicing column that has at least `minimum_rows` rows.

    Args:
        correct: one 0/1 entry per row.
        by: slice name → one value per row; missing values are left out.
    """
    import pandas as pd

    found = []
    for name, values in by.items():
        groups = correct.groupby(pd.Series(list(values), index=correct.index), observed=True)
        for value, group in groups:
            if len(group) >= minimum_rows:
                found.append({"slice": name, "value": str(value), "rows": len(group), "accuracy": float(group.mean())})
    return found


def length_band(words: int) -> str:
    """Which length slice a text of so many words belongs to."""
    return "1-4 words" if words <= 4 else "5-9 words" if words <= 9 else "10-19 words" if words <= 19 else "20+ words"

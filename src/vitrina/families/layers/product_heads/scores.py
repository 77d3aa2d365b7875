"""Right or wrong, head by head: from logits and the label matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrina.families.layers.product_heads.heads import RATING, RECOMMENDED, Head, stars


def right(head: Head, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How right each row is, 0–1; NaN where the label is unknown, or the head has no right and wrong (a share).

    Args:
        logits: (rows, head.width).
        targets: (rows, head.targets).

    Returns:
        (rows,): equal or not for one label, a decision or the nearest star; overlap (Jaccard) for many labels.
    """
    known = ~np.isnan(targets[:, 0])
    if head.kind == "one":
        found = (logits.argmax(1) == targets[:, 0]).astype(float)
    elif head.kind == "ordinal":
        found = (np.rint(stars(logits)) - 1 == targets[:, 0]).astype(float)
    elif head.kind == "many":
        found = overlap(logits > 0, targets == 1)
    elif head.name == RECOMMENDED:
        found = ((logits[:, 0] > 0) == (targets[:, 0] == 1)).astype(float)
    else:
        known = np.zeros_like(known)
        found = np.zeros(len(logits))
    return np.where(known, found, np.nan)


def overlap(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|both| / |either| of two label sets a row, 1 for two empty sets; bool (rows, labels) → (rows,)."""
    either = (predicted | truth).sum(1)
    return np.where(either == 0, 1.0, (predicted & truth).sum(1) / np.maximum(either, 1))


def summary(heads: Sequence[Head], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """`accuracy` (mean over the heads), `<head>_accuracy`, `rating_rmse`, `recommended_auc`, where rows say them."""
    found: dict[str, float] = {}
    for head in heads:
        part, target = logits[:, head.columns], labels[:, head.target_columns]
        hits = right(head, part, target)
        if np.isfinite(hits).any():
            found[f"{head.name}_accuracy"] = float(np.nanmean(hits))
        known = ~np.isnan(target[:, 0])
        if head.name == RATING and known.any():
            found["rating_rmse"] = rmse(stars(part[known]) - 1, target[known, 0])
        if head.name == RECOMMENDED and len(np.unique(target[known, 0])) == 2:
            from sklearn.metrics import roc_auc_score

            found["recommended_auc"] = float(roc_auc_score(target[known, 0], part[known, 0]))
    accuracies = [value for name, value in found.items() if name.endswith("_accuracy")]
    return found | ({"accuracy": float(np.mean(accuracies))} if accuracies else {})


def rmse(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def measured(prediction: Any, heads: Sequence[Head]) -> dict[str, float]:
    """`summary` of what the engine's evaluation predicted: what a preset can choose the weights by."""
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    return summary(heads, logits, prediction.label_ids)

"""What validation rows decide: what the bag adds, temperatures, review thresholds, the calibration of quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.evaluation import calibration
from vitrina.families.layers.product_heads import listing
from vitrina.families.layers.product_heads.heads import QUALITY, Head, describe
from vitrina.families.layers.products import products_of

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 20
"""Validation rows that a temperature, a threshold or the calibration of quality needs."""


SHARES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
TEMPERATURES = tuple(float(t) for t in np.geomspace(0.3, 4.0, 14))


def mixture(head: Head, encoder: np.ndarray, bag: np.ndarray, truth: np.ndarray) -> float:
    """How much of the bag's logits to add to the encoder's: what answers most of these rows rightly.

    Among equals, and for ratings and shares, what makes the truth most likely at the best temperature, which
    `decisions` fits afterwards. The likelihood alone trusts the encoder too much: an SVM's margins are no log odds.

    Args:
        encoder, bag: (rows, head.width).
        truth: (rows, head.targets), NaN is unknown.
    """
    known = ~np.isnan(truth[:, 0])
    if known.sum() < FEWEST_ROWS:
        return 1.0

    def merit(share: float) -> tuple[float, float]:
        logits = encoder[known] + share * bag[known]
        return _right(head, logits, truth[known]), -_cost(head, logits, truth[known])

    return max(SHARES, key=merit)


def _right(head: Head, logits: np.ndarray, truth: np.ndarray) -> float:
    """Share of the labels told rightly; 0 for heads whose answer is a number."""
    if head.kind == "one":
        return float((logits.argmax(1) == truth[:, 0]).mean())
    if head.kind == "many":
        return float(((logits > 0) == (truth > 0.5)).mean())
    return 0.0


def _cost(head: Head, logits: np.ndarray, truth: np.ndarray) -> float:
    """Negative log likelihood at the best temperature; ratings are read without one."""
    import torch

    from vitrina.families.layers.product_heads.losses import head_loss

    scores, targets = torch.from_numpy(logits.astype(np.float32)), torch.from_numpy(truth)
    free = TEMPERATURES if head.kind not in ("ordinal", "number") else (1.0,)
    return min(float(head_loss(scores / t, targets, head) or 0.0) for t in free)


def decisions(heads: Sequence[Head], logits: np.ndarray, labels: np.ndarray, target: float) -> list[dict[str, Any]]:
    """Each head as `labels.json` keeps it: with `temperature`, and `threshold` below which a person should look."""
    found = []
    for head, described in zip(heads, describe(heads), strict=True):
        part, truth = logits[:, head.columns], labels[:, head.target_columns]
        known = ~np.isnan(truth[:, 0])
        found.append(described | _decided(head, part[known], truth[known], target))
    return found


def _decided(head: Head, logits: np.ndarray, truth: np.ndarray, target: float) -> dict[str, float]:
    if head.kind in ("ordinal", "number") or head.name == QUALITY or len(truth) < FEWEST_ROWS:
        return {"temperature": 1.0, "threshold": 0.0}
    if head.kind == "one":
        classes, answers = logits, truth[:, 0].astype(int)
    else:  # each sigmoid is a choice between two classes
        flat = logits.reshape(-1)
        classes, answers = np.stack([np.zeros_like(flat), flat], 1), truth.reshape(-1).astype(int)
    temperature = calibration.fit_temperature(classes, answers)
    probabilities = calibration.softmax(classes / temperature)
    # A row is as sure as its least certain decision, and right when all of them are.
    confidence = probabilities.max(1).reshape(len(truth), -1).min(1)
    correct = (probabilities.argmax(1) == answers).reshape(len(truth), -1).all(1)
    threshold = calibration.clarification_threshold(confidence, correct, target=target)
    return {"temperature": temperature, "threshold": threshold}


def quality(heads: Sequence[Head], logits: np.ndarray, rows: pd.DataFrame) -> dict[str, float] | None:
    """Platt scaling of the quality head with the listing score as a second feature (Platt, 1999).

    Fitted on the rated validation products: P = σ(logit · a + listing · b + c). None, where too few are rated: quality
    is the listing score alone.
    """
    head = next((head for head in heads if head.name == QUALITY), None)
    rated = rows["quality"].notna().to_numpy()
    if head is None or rated.sum() < FEWEST_ROWS:
        return None
    from sklearn.linear_model import LogisticRegression

    share = rows.loc[rated, "quality"].to_numpy()
    listed = [listing.score(product) for product in products_of(rows[rated])]
    features = np.stack([logits[rated, head.start], listed], 1)
    # A share p is p of a 1 and 1 - p of a 0.
    answers = np.repeat([1, 0], len(share))
    model = LogisticRegression(C=10.0).fit(np.tile(features, (2, 1)), answers, np.concatenate([share, 1 - share]))
    a, b = model.coef_[0].tolist()
    return {"logit": a, "listing": b, "offset": float(model.intercept_[0])}

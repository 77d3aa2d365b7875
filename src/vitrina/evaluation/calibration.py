"""Calibration: temperature scaling, expected calibration error, thresholds chosen on validation data."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-3
"""Added to a threshold on scores, so that rows with equal scores are not flagged because another runtime rounds."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise softmax, (rows, classes) → same shape, rows sum to 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean −log p of the true class."""
    probabilities = softmax(logits)
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T > 0 that minimises the negative log-likelihood of softmax(logits / T) (Guo et al., 2017).

    Args:
        logits: (rows, classes).
        labels: (rows,) class index.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(logits / np.exp(log_temperature), labels)

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Mean |confidence − accuracy| over equal-width bins, weighted by rows; 0–1 (Naeini et al., 2015)."""
    if len(confidence) == 0:
        return float("nan")
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for chosen in np.unique(index):
        inside = index == chosen
        total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(total)


def clarification_threshold(
    confidence: np.ndarray, correct: np.ndarray, *, target: float = 0.98, most_asked: float = 0.2
) -> float:
    """The lowest confidence above which answers are right at the `target` rate, 0–1.

    Asking for clarification is a cost, so at most the share `most_asked` of the rows may fall below the threshold.
    """
    order = np.argsort(-confidence)
    sorted_confidence, hits = confidence[order], correct[order].astype(float)
    rate_above = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    reaching = np.flatnonzero(rate_above >= target)
    kept = max(reaching[-1] + 1 if len(reaching) else 0, int(np.ceil(len(hits) * (1 - most_asked))))
    if kept == len(hits):  # nothing has to be asked back; below a half another intent may still be as likely
        return min(float(sorted_confidence[-1]), 0.5)
    return float(sorted_confidence[kept - 1])


def false_alarm_threshold(scores: np.ndarray, rate: float) -> float:
    """The score that at most the share `rate` of these (in-scope) rows exceeds, in whichever runtime computes it."""
    return float(np.quantile(scores, 1 - rate)) + ROUNDING

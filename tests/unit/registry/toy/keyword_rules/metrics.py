"""Accuracy, by language too, and one behavioural check."""

from __future__ import annotations

import pandas as pd

from vitrina.evaluation.report import Evaluation
from vitrina.training.spec import Predictor


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """See `MetricsModule.evaluate`."""
    hit = (predictor.predict_frame(examples)["label"] == examples["intent"]).astype(float)
    polite = examples.assign(text=examples["text"] + " please")
    kept = predictor.predict_frame(polite)["label"] == predictor.predict_frame(examples)["label"]
    slices = [
        {"slice": "language", "value": language, "rows": len(part), "accuracy": float(part.mean())}
        for language, part in hit.groupby(examples["language"])
    ]
    checks = [{"check": "politeness", "cases": len(kept), "passed": int(kept.sum()), "rate": float(kept.mean())}]
    rows = pd.DataFrame({"row_id": examples["row_id"], "score": hit})
    return Evaluation({"accuracy": float(hit.mean()), "rows": float(len(hit))}, rows, slices, checks)

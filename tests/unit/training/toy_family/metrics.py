from __future__ import annotations

import pandas as pd

from vitrina.evaluation.report import Evaluation
from vitrina.training.spec import Predictor


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    predicted = predictor.predict_frame(examples)
    right = (predicted["label"] == "above").to_numpy() == (examples["label"] == 1).to_numpy()
    rows = pd.DataFrame({"row_id": examples["row_id"], "score": right.astype(float)})
    return Evaluation({"accuracy": float(right.mean())}, rows)

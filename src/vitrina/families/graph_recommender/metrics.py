"""How good a graph recommender is: what users did next, ranked among all products, as every recommender is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vitrina.evaluation.report import Evaluation
from vitrina.families.layers.recommender_metrics import evaluate_recommender

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.graph_recommender.serving import GraphPredictor
    from vitrina.training.spec import Predictor


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Full ranking with the diversity that is served by default; see `MetricsModule.evaluate`."""
    return evaluate_recommender(cast("GraphPredictor", predictor), examples)

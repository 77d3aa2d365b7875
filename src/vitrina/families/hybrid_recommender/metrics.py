"""How good a hybrid recommender is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vitrina.families.layers.recommender_metrics import evaluate_recommender

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.evaluation.report import Evaluation
    from vitrina.families.layers.recommenders import ShopRecommender
    from vitrina.training.spec import Predictor


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Full ranking of what users did next; see `MetricsModule.evaluate`."""
    return evaluate_recommender(cast("ShopRecommender", predictor), examples)

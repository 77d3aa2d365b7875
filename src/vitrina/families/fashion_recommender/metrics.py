"""How well a fashion recommender tells stars, what each part is worth, and how it ranks what was liked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vitrina.errors import DataError
from vitrina.evaluation import classification
from vitrina.evaluation.recommendation import interval, measure
from vitrina.evaluation.report import Evaluation
from vitrina.families.fashion_recommender.known import PARTS, Known
from vitrina.families.layers.recommender_metrics import behaviour, plain_name
from vitrina.families.layers.recommenders import categories_of, lists_of
from vitrina.recommendation.ranking import top

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.fashion_recommender.serving import FashionPredictor
    from vitrina.training.spec import Predictor

LIKED = 4.0
RANKED = 500
"""Rows, at most, whose liked product is looked for among all products."""

K = 20
SPAN = 4.0
"""Between the worst and the best rating."""


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Tell the stars of every row's review from what was known before; see `MetricsModule.evaluate`.

    `rmse_biases` is that of mean + biases of customer and product on the same rows; `rmse_without_<part>` that of the
    model without a part. A row's score is 1 − |error| / 4.

    Raises:
        DataError: when the rows have no rating or no product.
    """
    import pandas as pd

    model = cast("FashionPredictor", predictor)
    if not {"rating", "product_id"} <= set(examples) or not len(examples):
        raise DataError("An evaluation needs rows with user_id, product_id and rating (1 to 5).")
    examples = examples.reset_index(drop=True)
    stars, truth = model.rate(examples), examples["rating"].to_numpy(float)
    squares = (stars - truth) ** 2
    metrics = _errors(model, examples, stars, truth) | _ranking(model, examples)
    scores = 1 - np.abs(stars - truth) / SPAN
    known = examples[examples["user_id"].notna()]
    checks = behaviour(model, known) if len(known) else []
    if checks:
        metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    rows = pd.DataFrame({"row_id": examples["row_id"].astype(str), "score": scores})
    return Evaluation(metrics, rows, _slices(squares, examples), checks)


def _errors(model: FashionPredictor, examples: pd.DataFrame, stars: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    squares = (stars - truth) ** 2
    known = Known(model, examples)
    simple = {"biases": known.baseline(), "mean": np.full(len(truth), model.ratings.mean)}
    simple |= {f"without_{part}": model.told(known, [part]) for part in PARTS}
    simple |= {f"only_{part}": model.told(known, [each for each in PARTS if each != part]) for part in PARTS}
    metrics = {"rmse": _root(squares), "mae": float(np.abs(stars - truth).mean())}
    metrics["r2"] = float(1 - squares.mean() / max(((truth - model.ratings.mean) ** 2).mean(), 1e-12))
    for name, told in simple.items():
        metrics[f"rmse_{name}"] = _root((told - truth) ** 2)
    gains = {"photo": simple["without_photo"], "text": simple["without_text"], "biases": simple["biases"]}
    for name, told in gains.items():  # how much lower the mean square is with it: below 0, it does harm
        metrics[f"gain_over_{name}_low"], metrics[f"gain_over_{name}_high"] = interval((told - truth) ** 2 - squares)
    return metrics


def _root(squares: np.ndarray) -> float:
    return float(squares.mean() ** 0.5)


def _ranking(model: FashionPredictor, examples: pd.DataFrame) -> dict[str, float]:
    """Where liked products come among all that the customer had not reviewed; popularity on the same rows."""
    liked = examples[(examples["rating"] >= LIKED) & examples["user_id"].notna()].head(RANKED).reset_index(drop=True)
    places = model.shelf.places
    if liked.empty:
        return {}
    targets = [np.array([places.get(product, -2)]) for product in liked["product_id"]]
    groups = categories_of(model.shelf)
    lists = lists_of(model.ranked(liked, K, seen=True), K)
    found = measure(lists, targets, popularity=model.customers, groups=groups).metrics
    past = [history.distinct for history in model.histories_in(liked)]
    popular = np.broadcast_to(model.customers, (len(liked), len(model.customers)))
    simple = measure(top(popular, K, excluded=past), targets, popularity=model.customers).metrics
    compared = {f"popularity_{plain_name(name)}": simple[name] for name in ("ndcg@10", "recall@20")}
    return {plain_name(name): float(value) for name, value in found.items()} | compared


def _slices(squares: np.ndarray, examples: pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    by: dict[str, Iterable[object]] = {name: examples[name] for name in ("language", "category") if name in examples}
    if "user_history" in examples:
        by["customer"] = [_band(len(history)) for history in examples["user_history"]]
    if "product_history" in examples:
        by["product"] = [_band(len(history)) for history in examples["product_history"]]
    if "jpeg" in examples:
        by["photo"] = ["known" if isinstance(jpeg, bytes) else "missing" for jpeg in examples["jpeg"]]
    return [
        {"slice": one["slice"], "value": one["value"], "rows": one["rows"], "rmse": one["accuracy"] ** 0.5}
        for one in classification.slices(pd.Series(squares), by)
    ]


def _band(reviews: int) -> str:
    return "no reviews" if not reviews else "1-4 reviews" if reviews < 5 else "5 and more reviews"

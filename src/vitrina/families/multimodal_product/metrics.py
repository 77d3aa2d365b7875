"""How good a multimodal model is: every head, what each modality alone would say, retrieval, price, behaviour."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.evaluation.report import Evaluation
from vitrina.families.layers.product_heads import metrics
from vitrina.families.multimodal_product.samples import sample_table

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.multimodal_product.predictor import MultimodalPredictor

AMONG = 1000
"""Rows with both a name and a photo that are searched; more would only make the task harder."""

FEWEST = 20


def evaluate(predictor: Any, examples: pd.DataFrame) -> Evaluation:
    """Measure a loaded model on products, with and without photos, and reviews; see `MetricsModule.evaluate`.

    Besides what every model with these heads is measured by: on the rows with both name and photo, the category's
    accuracy by each alone (`category_accuracy_text`, `…_photo`, `…_both`) and text → photo Recall@10 among at most
    1,000 of them; the price estimate's median relative error.

    Raises:
        DataError: when no row has a label.
    """
    found = metrics.evaluate(predictor, examples)
    both = with_both(examples)
    measured = dict(found.metrics) | _price_error(predictor, examples)
    files = dict(found.files)
    if len(both) >= FEWEST:
        measured |= by_modality(predictor, both) | retrieval(predictor, both.head(AMONG))
        if "category" in both and both["category"].notna().any():
            files["samples.png"] = lambda: sample_table(predictor, both)
    return replace(found, metrics=measured, files=files)


def with_both(examples: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a title and a photo."""
    import pandas as pd

    if "image" not in examples:
        return examples.head(0)
    has = examples["image"].map(lambda value: isinstance(value, bytes)) & examples["title"].map(bool)
    return pd.DataFrame(examples[has & examples["title"].notna()]).reset_index(drop=True)


def without(examples: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows with these columns empty: `image`; or `title`, with which go description and brand."""
    gone = {*columns, *(("description", "brand") if "title" in columns else ())}
    return examples.assign(**{name: None for name in gone if name in examples})


def by_modality(predictor: MultimodalPredictor, both: pd.DataFrame) -> dict[str, float]:
    """Accuracy of the category by text alone, by photo alone, and by both, of rows that have both."""
    if "category" not in both or both["category"].isna().all():
        return {}
    known = both[both["category"].notna()]
    views = {"text": without(known, "image"), "photo": without(known, "title"), "both": known}
    said = {name: predictor.predict_frame(rows)["label"].to_numpy() for name, rows in views.items()}
    truth = known["category"].to_numpy()
    return {f"category_accuracy_{name}": float((labels == truth).mean()) for name, labels in said.items()}


def retrieval(predictor: MultimodalPredictor, both: pd.DataFrame) -> dict[str, float]:
    """Share of names whose own photo is among the ten nearest photos, and the other way round."""
    words, looks = (predictor.embed(without(both, column)) for column in ("image", "title"))
    return {
        "text_to_photo_recall_at_10": recall(words @ looks.T),
        "photo_to_text_recall_at_10": recall(looks @ words.T),
    }


def recall(scores: np.ndarray, k: int = 10) -> float:
    """Share of rows whose own column is among the k best; ties count against it."""
    own = np.diag(scores)[:, None]
    return float(((scores >= own).sum(1) <= k).mean())


def _price_error(predictor: MultimodalPredictor, examples: pd.DataFrame) -> dict[str, float]:
    """Median of |estimate / price - 1| of rows whose price the model could have told in their currency."""
    if "price" not in examples or not predictor.currencies:
        return {}
    priced = examples[examples["price"].fillna(0) > 0]
    if "currency" in priced:
        priced = priced[priced["currency"].fillna("").isin(list(predictor.currencies))]
    if len(priced) < FEWEST:
        return {}
    estimates = predictor.predict_frame(priced)["price_estimate"].to_numpy()
    errors = np.abs(estimates / priced["price"].to_numpy() - 1)
    return {"price_error": float(np.nanmedian(errors))} if np.isfinite(errors).any() else {}

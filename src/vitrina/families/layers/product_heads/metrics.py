"""How good a product classifier is: every head, calibration, the category tree, slices, abstaining, behaviour."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.errors import DataError
from vitrina.evaluation import behaviour, calibration, classification
from vitrina.evaluation.report import Evaluation
from vitrina.families.layers.product_heads.heads import ATTRIBUTE, QUALITY, RATING, RECOMMENDED
from vitrina.families.layers.product_heads.scores import overlap, rmse
from vitrina.families.layers.product_heads.targets import split_values, stated_attributes, texts_of
from vitrina.text.augmentation import shuffled, swap_typo

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import Predictor

CHECKS: Mapping[str, behaviour.Edit] = {"typo": swap_typo, "case": behaviour.upper_case, "word_order": shuffled}
CASES = 300
PRICE_BANDS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Measure a loaded model on labelled products and reviews; see `MetricsModule.evaluate`.

    `accuracy` is the mean of the heads' accuracies: category, each attribute (overlap, where it has several values),
    recommended, rating (nearest star). A row scores the share of its known labels that are right; a label never seen
    in training is wrong. Quality is measured against the shrunken ratings, apart from that.

    Raises:
        DataError: when no row has a label.
    """
    import pandas as pd

    predicted = predictor.predict_frame(examples)
    hits = _hits(predictor, examples, predicted)
    scored = hits.notna().any(axis=1).to_numpy(dtype=bool)
    if not scored.any():
        raise DataError("None of the rows to evaluate has a label that this model predicts.")
    score = np.full(len(hits), np.nan)
    score[scored] = np.nanmean(hits.to_numpy()[scored], axis=1)
    metrics = {f"{name}_accuracy": float(hits[name].mean()) for name in hits if hits[name].notna().any()}
    metrics = {"accuracy": float(np.mean(list(metrics.values()))), **metrics, "rows": float(scored.sum())}
    metrics |= _label_metrics(predictor, examples, predicted, hits)
    metrics |= _tree_metrics(examples, predicted) | _share_metrics(examples, predicted)
    checks = _behaviour(predictor, examples, hits)
    if checks:
        metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    rows = pd.DataFrame({"row_id": examples["row_id"].to_numpy()[scored], "score": score[scored]})
    slices = _slices(examples[scored].copy(), predicted[scored].copy(), score[scored])
    return Evaluation(metrics, rows, slices, checks, _files(examples, predicted))


def _hits(predictor: Any, examples: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """How right each head is on each row, 0–1; NaN where the row does not say."""
    import pandas as pd

    hits = pd.DataFrame(index=examples.index)
    stated = stated_attributes(examples)
    for head in predictor.heads:
        if head.attribute is not None:
            truth = pd.Series([one.get(head.attribute) for one in stated], index=examples.index, dtype=object)
            if head.kind == "many":
                right = _overlaps(truth, predicted[head.name], head.labels, predictor.separator)
            else:
                right = (predicted[head.name] == truth).astype(float).to_numpy()
        elif head.name in examples and head.name != QUALITY:
            truth = examples[head.name]
            said = predicted["label" if head.name == "category" else head.name]
            said = (said >= 0.5).astype(float) if head.name == RECOMMENDED else said
            right = ((said.round() if head.name == RATING else said) == truth).astype(float).to_numpy()
        else:
            continue
        hits[head.name] = np.where(truth.notna(), right, np.nan)
    return hits


def _overlaps(truth: pd.Series, said: pd.Series, labels: tuple[str, ...], separator: str) -> np.ndarray:
    def table(values: pd.Series) -> np.ndarray:
        sets = [set(split_values(value, True, separator)) if isinstance(value, str) else set() for value in values]
        return np.array([[label in one for label in labels] for one in sets], dtype=bool)

    return overlap(table(said), table(truth))


def _label_metrics(
    predictor: Any, examples: pd.DataFrame, predicted: pd.DataFrame, hits: pd.DataFrame
) -> dict[str, float]:
    """Macro-F1 and calibration of category and attributes; coverage and accuracy of what needs no review."""
    found: dict[str, float] = {}
    stated = stated_attributes(examples)
    for head in predictor.heads:
        if head.kind != "one" or head.name not in hits:
            continue
        known = hits[head.name].notna().to_numpy()
        name = "label" if head.attribute is None else head.name
        confidence = "confidence" if head.attribute is None else f"{head.name}.confidence"
        review = "needs_review" if head.attribute is None else f"{head.name}.needs_review"
        truth = examples["category"] if head.attribute is None else [one.get(head.attribute) for one in stated]
        correct = hits[head.name].to_numpy()[known]
        sure = ~predicted[review].to_numpy(dtype=bool)[known]
        found[f"{head.name}_macro_f1"] = classification.macro_f1(
            np.asarray(truth, dtype=object)[known], predicted[name].to_numpy()[known]
        )
        found[f"{head.name}_calibration_error"] = calibration.expected_calibration_error(
            predicted[confidence].to_numpy()[known], correct
        )
        found[f"{head.name}_coverage"] = float(sure.mean())
        if sure.any():
            found[f"{head.name}_accuracy_when_sure"] = float(correct[sure].mean())
    return found


def _tree_metrics(examples: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, float]:
    """Accuracy of each level of the category path, and the F1 of shared ancestors (Kiritchenko et al., 2006)."""
    known = _categorised(examples, predicted)
    if not known.any():
        return {}
    truth = [path.split(PATH_SEPARATOR) for path in examples["category"][known]]
    said = [path.split(PATH_SEPARATOR) for path in predicted["label"][known]]
    found = {}
    for level in range(1, max(map(len, truth)) + 1):
        deep = [(a[:level], b[:level]) for a, b in zip(truth, said, strict=True) if len(a) >= level]
        found[f"category_level_{level}_accuracy"] = float(np.mean([a == b for a, b in deep]))
    shared = sum(_shared(a, b) for a, b in zip(truth, said, strict=True))
    found["category_hierarchical_f1"] = 2 * shared / (sum(map(len, truth)) + sum(map(len, said)))
    return found


def _shared(a: list[str], b: list[str]) -> int:
    """Length of the common start of two paths."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _categorised(examples: pd.DataFrame, predicted: pd.DataFrame) -> np.ndarray:
    if "category" not in examples:
        return np.zeros(len(examples), dtype=bool)
    return (examples["category"].notna() & (predicted["label"] != "")).to_numpy()


def _share_metrics(examples: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, float]:
    """Error of quality and rating, ranking and calibration of recommendations."""
    found: dict[str, float] = {}
    if QUALITY in examples and (known := examples[QUALITY].notna() & predicted[QUALITY].notna()).any():
        truth, said = examples[QUALITY][known].to_numpy(), predicted[QUALITY][known].to_numpy()
        found["quality_error"] = float(abs(said - truth).mean())
        found["quality_calibration_error"] = calibration.expected_calibration_error(said, truth)
    if RATING in examples and RATING in predicted and (known := examples[RATING].notna()).any():
        found["rating_rmse"] = rmse(predicted[RATING][known].to_numpy(), examples[RATING][known].to_numpy())
    if RECOMMENDED in examples and RECOMMENDED in predicted and (known := examples[RECOMMENDED].notna()).any():
        truth, said = examples[RECOMMENDED][known].to_numpy(), predicted[RECOMMENDED][known].to_numpy()
        found["recommended_calibration_error"] = calibration.expected_calibration_error(said, truth)
        if len(np.unique(truth)) == 2:
            from sklearn.metrics import roc_auc_score

            found["recommended_auc"] = float(roc_auc_score(truth, said))
    return found


def _behaviour(predictor: Predictor, examples: pd.DataFrame, hits: pd.DataFrame) -> list[dict[str, Any]]:
    """How often the category stays when the title of a rightly classified product is edited."""
    import pandas as pd

    if "category" not in hits or not (hits["category"] == 1).any():
        return []
    rng = random.Random(7)
    titles = list(examples["title"][hits["category"] == 1])
    titles = rng.sample(titles, min(CASES, len(titles)))

    def labels(texts: list[str]) -> list[str]:
        return list(predictor.predict_frame(pd.DataFrame({"title": texts}))["label"])

    before = labels(titles)
    found = []
    for name, edit in CHECKS.items():
        changed = [edit(title, rng) for title in titles]
        found.append(behaviour.compared(name, titles, changed, before, labels(changed)))
    return found


def _slices(examples: pd.DataFrame, predicted: pd.DataFrame, score: np.ndarray) -> list[dict[str, Any]]:
    import pandas as pd

    by: dict[str, Any] = {
        "language": predicted["language"],
        "length": [classification.length_band(len(text.split())) for text in texts_of(examples)],
        "price": _price_bands(predicted["price"]),
    }
    if "category" in examples:
        by["category"] = examples["category"].str.split(PATH_SEPARATOR).str[0]
    return classification.slices(pd.Series(score, index=examples.index), by)


def _price_bands(prices: pd.Series) -> pd.Series:
    """The quarter of these rows' prices that each falls in; an unknown price, or 0, is in none."""
    import pandas as pd

    known = prices.where(prices > 0)
    bands = pd.Series(None, index=prices.index, dtype=object)
    if known.notna().any():
        ranks = known.rank(pct=True)
        for number, name in enumerate(PRICE_BANDS):
            bands[(ranks > number / 4) & (ranks <= (number + 1) / 4)] = name
    return bands


def _files(examples: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, Callable[[], bytes]]:
    """Tables of classes and confusion pictures, made when they are written."""
    from vitrina.evaluation import pictures

    named: dict[str, tuple[list[str], list[str]]] = {}
    known = _categorised(examples, predicted)
    if known.any():
        named["category"] = ([*examples["category"][known]], [*predicted["label"][known]])
    stated = stated_attributes(examples)
    for column in predicted:
        name = str(column).removeprefix(ATTRIBUTE)
        if name == column or f"{column}.confidence" not in predicted:
            continue
        pairs = [(one[name], said) for one, said in zip(stated, predicted[column], strict=True) if name in one]
        if pairs:
            named[name] = ([true for true, _ in pairs], [said for _, said in pairs])
    files: dict[str, Callable[[], bytes]] = {}
    for name, (truth, said) in named.items():
        plain = "".join(letter if letter.isalnum() else "_" for letter in name)
        files[f"{plain}_classes.csv"] = lambda truth=truth, said=said: (  # type: ignore[misc]
            classification.per_class(truth, said).to_csv(index=False).encode()
        )
        files[f"{plain}_confusion.png"] = lambda truth=truth, said=said, name=name: (  # type: ignore[misc]
            pictures.confusion(truth, said, title=f"{name}: most confused classes")
        )
    return files

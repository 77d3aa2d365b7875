"""How well unseen classes are told apart from a few examples: accuracy of seeded episodes, behaviour of the head."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.errors import DataError
from vitrina.evaluation import behaviour
from vitrina.evaluation.report import Evaluation
from vitrina.families.few_shot_classifier import episodes
from vitrina.families.few_shot_classifier.head import Rates, adapt

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.few_shot_classifier.predictor import FewShotPredictor

WAYS = (5, 20, 50)
SHOTS = (1, 5)
EPISODES = 200
QUERIES = 5
RESAMPLES = 2000
CHECKED = 100
"""Queries of a behavioural check."""


@dataclass(frozen=True)
class Measured:
    """One kind of episode on one model: the accuracy of each, with the inner loop and of the prototypes alone."""

    name: str
    ways: int
    shots: int
    adapted: np.ndarray
    prototypes: np.ndarray


def evaluate(predictor: FewShotPredictor, examples: pd.DataFrame) -> Evaluation:
    """Measure a model on classes it was not trained on; see `MetricsModule.evaluate`.

    One row is one episode: 5-, 20- and 50-way as far as the classes allow (else all of them), one and five examples a
    class, and where rows have a `parent` also within one parent. `accuracy` is the mean of all; `*_low` and `*_high`
    are ends of 95% bootstrap intervals over episodes.

    Raises:
        DataError: with fewer than two classes of two rows.
    """
    import pandas as pd

    examples = examples.sort_values("row_id").reset_index(drop=True)
    vectors = predictor.embed(examples)
    measured = measure(vectors, examples, predictor.rates)
    metrics = {"accuracy": float(np.concatenate([each.adapted for each in measured]).mean())}
    metrics["prototype_accuracy"] = float(np.concatenate([each.prototypes for each in measured]).mean())
    for each in measured:
        low, high = interval(each.adapted)
        metrics |= {f"accuracy_{each.name}": float(each.adapted.mean()), f"accuracy_{each.name}_low": low}
        metrics |= {f"accuracy_{each.name}_high": high, f"prototypes_{each.name}": float(each.prototypes.mean())}
    rows = [(f"{each.name}-{number}", float(score)) for each in measured for number, score in enumerate(each.adapted)]
    metrics["classes"] = float(examples["label"].nunique())
    checks = _behaviour(predictor, vectors, examples)
    metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    return Evaluation(metrics, pd.DataFrame(rows, columns=["row_id", "score"]), _slices(measured), checks)


def measure(vectors: np.ndarray, examples: pd.DataFrame, rates: Rates, count: int = EPISODES) -> list[Measured]:
    """Every kind of episode that the rows allow.

    Args:
        vectors: (rows, width) unit-length embeddings of `examples`, which have `label` and may have `parent`.
        count: episodes of a kind.

    Raises:
        DataError: with fewer than two classes of two rows.
    """
    found = _kinds("", [_classes(examples)], vectors, rates, count)
    if not found:
        raise DataError("Evaluating few-shot labels needs two or more classes with two or more rows each.")
    parents = sorted(set(examples["parent"].dropna())) if "parent" in examples else []
    within = [_classes(examples[examples["parent"] == parent]) for parent in parents]
    return found + _kinds("within_", within, vectors, rates, count)


def _classes(examples: pd.DataFrame) -> list[np.ndarray]:
    """Row numbers of every class that an episode can use."""
    groups = episodes.rows_by_class(examples["label"]).values()
    index = examples.index.to_numpy()
    return [index[rows] for rows in groups if len(rows) > 1]


def _kinds(prefix: str, pools: list[list[np.ndarray]], vectors: np.ndarray, rates: Rates, count: int) -> list[Measured]:
    """The kinds of episodes that some pool of classes is large enough for; every episode stays within one pool."""
    largest = max((len(pool) for pool in pools), default=0)
    ways = sorted({way for way in WAYS if way <= largest} | ({largest} if 1 < largest < WAYS[0] else set()))
    found = []
    for way in ways:
        fitting = [pool for pool in pools if len(pool) >= way]
        for shots in SHOTS:
            able = [pool for pool in (_with(pool, shots) for pool in fitting) if len(pool) >= way]
            if able:
                found.append(_measured(f"{prefix}{way}way_{shots}shot", able, way, shots, vectors, rates, count))
    return found


def _with(pool: list[np.ndarray], shots: int) -> list[np.ndarray]:
    return [rows for rows in pool if len(rows) > shots]


def _measured(
    name: str, pools: list[list[np.ndarray]], ways: int, shots: int, vectors: np.ndarray, rates: Rates, count: int
) -> Measured:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    scores = np.empty((2, count))
    for number in range(count):
        one = episodes.draw(pools[number % len(pools)], ways, shots, QUERIES, rng)
        for kind, used in enumerate((rates, rates.without_steps())):
            head = adapt(vectors[one.support], one.support_labels, ways, used)
            scores[kind, number] = (head.logits(vectors[one.query]).argmax(1) == one.query_labels).mean()
    return Measured(name, ways, shots, scores[0], scores[1])


def interval(scores: np.ndarray) -> tuple[float, float]:
    """95% bootstrap interval of the mean over episodes."""
    rng = np.random.default_rng(0)
    means = scores[rng.integers(0, len(scores), (RESAMPLES, len(scores)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _slices(measured: list[Measured]) -> list[dict[str, Any]]:
    """Accuracy by number of classes, of examples, and by whether classes share a parent."""
    by: dict[tuple[str, str], list[np.ndarray]] = {}
    for each in measured:
        by.setdefault(("ways", str(each.ways)), []).append(each.adapted)
        by.setdefault(("shots", str(each.shots)), []).append(each.adapted)
        by.setdefault(("classes", "siblings" if each.name.startswith("within_") else "any"), []).append(each.adapted)
    return [
        {"slice": name, "value": value, "rows": sum(map(len, parts)), "accuracy": float(np.concatenate(parts).mean())}
        for (name, value), parts in sorted(by.items())
    ]


def _behaviour(predictor: FewShotPredictor, vectors: np.ndarray, examples: pd.DataFrame) -> list[dict[str, Any]]:
    """One episode whose answers must not depend on the order of classes and examples, nor on examples given twice.

    For texts also the edits that must not change a label: typos, case, courtesies, punctuation.
    """
    classes = _classes(examples)
    shots = min(SHOTS[-1], min(len(rows) for rows in classes) - 1)
    ways = min(WAYS[1], len(classes))
    one = episodes.draw(classes, ways, shots, max(1, CHECKED // ways), np.random.default_rng(1))
    support, queries = vectors[one.support], vectors[one.query]
    answers = adapt(support, one.support_labels, ways, predictor.rates).logits(queries).argmax(1)
    order = np.random.default_rng(2).permutation(len(support))
    twice = np.concatenate([np.arange(len(support))] * 2)
    checks = []
    for name, rows in (("example_order", order), ("examples_given_twice", twice)):
        changed = adapt(support[rows], one.support_labels[rows], ways, predictor.rates).logits(queries).argmax(1)
        checks.append(_check(name, answers, changed, examples["text"].to_numpy()[one.query]))
    if predictor.modality == "text":
        right = one.query[answers == one.query_labels]
        checks += _edits(predictor, examples, one.support, right)
    return checks


def _check(name: str, before: np.ndarray, after: np.ndarray, texts: np.ndarray) -> dict[str, Any]:
    same = before == after
    failures = [{"text": text[:200]} for text in texts[~same][:5]]
    return {
        "check": name,
        "cases": len(same),
        "passed": int(same.sum()),
        "rate": float(same.mean()),
        "failures": failures,
    }


def _edits(
    predictor: FewShotPredictor, examples: pd.DataFrame, support: np.ndarray, right: np.ndarray
) -> list[dict[str, Any]]:
    given = {str(label): list(part["text"]) for label, part in examples.loc[support].groupby("label", sort=False)}
    classifier = predictor.classifier(given)
    texts = list(examples.loc[right, "text"])
    return behaviour.invariance(
        lambda edited: [each.label for each in predictor.label(classifier, edited)],
        texts,
        [predictor.language(text) for text in texts],
    )

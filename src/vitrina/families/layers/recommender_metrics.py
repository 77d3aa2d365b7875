"""How good a recommender is: full ranking of what users did next, slices by user, and how it must behave."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.errors import DataError
from vitrina.evaluation.recommendation import measure
from vitrina.evaluation.report import Evaluation
from vitrina.families.layers.recommenders import CHUNK, ShopRecommender, categories_of, lists_of
from vitrina.recommendation.histories import NOTHING, History
from vitrina.recommendation.shelf import Asked, Ranked, Shelf
from vitrina.recommendation.splitting import example_targets

if TYPE_CHECKING:
    import pandas as pd

K = 20
CASES = 100
"""Users that each behavioural check asks for."""

FRESH_AMONG = 100
NEVER_SEEN = "a user whom nobody has seen"


def evaluate_recommender(recommender: ShopRecommender, examples: pd.DataFrame) -> Evaluation:
    """Rank all products for every row, the history left out; see `MetricsModule.evaluate`.

    A row's score is its nDCG@10.

    Raises:
        DataError: when the rows have no `targets`.
    """
    import pandas as pd

    if "targets" not in examples or not len(examples):
        raise DataError("An evaluation needs rows with user_id, history and targets (product ids that came next).")
    lists = lists_of(recommender.ranked(examples, K, seen=True), K)
    measured = measure(
        lists,
        example_targets(examples, recommender.shelf.places),
        popularity=recommender.customers,
        segments=examples["segment"].tolist() if "segment" in examples else None,
        groups=categories_of(recommender.shelf),
    )
    metrics = {plain_name(name): float(value) for name, value in measured.metrics.items()}
    low, high = measured.intervals["ndcg@10"]
    metrics |= {"ndcg_at_10_low": low, "ndcg_at_10_high": high}
    slices = [{plain_name(name): value for name, value in one.items()} for one in measured.slices]
    checks = behaviour(recommender, examples)
    metrics["behaviour"] = float(np.mean([check["rate"] for check in checks]))
    rows = pd.DataFrame({"row_id": examples["row_id"].astype(str), "score": measured.rows})
    return Evaluation(metrics, rows, slices, checks)


def plain_name(metric: str) -> str:
    """`ndcg@10` as MLflow and the gates take it: `ndcg_at_10`."""
    return metric.replace("@", "_at_")


def behaviour(recommender: ShopRecommender, examples: pd.DataFrame) -> list[dict[str, Any]]:
    """Whether answers keep their promises, on up to `CASES` of the rows."""
    chosen = examples.sample(min(CASES, len(examples)), random_state=7)
    histories = recommender.histories_in(chosen)
    users = [str(user) for user in chosen["user_id"]]
    asked = [Asked(user, history, 10, excluded=history.bought) for user, history in zip(users, histories, strict=True)]
    answers = _rank(recommender, asked)
    return [
        _check("bought_stays_away", users, _bought(recommender, asked)),
        _check("withdrawn_stays_away", users, _withdrawn(recommender, asked, answers)),
        _check("unknown_user", [NEVER_SEEN], _unknown(recommender)),
        _check("fresh_event", users, _fresh(recommender, asked, answers)),
        _check("prefix", users, _prefix(recommender, asked, answers)),
    ]


def _check(name: str, users: Sequence[str], passed: Sequence[bool]) -> dict[str, Any]:
    failures = [{"user_id": user} for user, good in zip(users, passed, strict=True) if not good]
    good = len(passed) - len(failures)
    rate = good / len(passed) if len(passed) else 1.0
    return {"check": name, "cases": len(passed), "passed": good, "rate": rate, "failures": failures[:5]}


def _rank(recommender: ShopRecommender, asked: Sequence[Asked], shelf: Shelf | None = None) -> list[Ranked]:
    shelf = shelf or recommender.shelf
    parts = [recommender.rank(asked[start : start + CHUNK], shelf) for start in range(0, len(asked), CHUNK)]
    return [one for part in parts for one in part]


def _bought(recommender: ShopRecommender, asked: Sequence[Asked]) -> list[bool]:
    """What a user has just bought does not come back: the first product of the answer, bought, is gone."""
    buying = []
    for one, ranked in zip(asked, _rank(recommender, asked), strict=True):
        later = _then(one.history, int(ranked.places[0]), 4.0) if len(ranked.places) else one.history
        buying.append(dataclasses.replace(one, history=later, excluded=later.bought))
    again = _rank(recommender, buying)
    return [
        not set(ranked.places.tolist()) & set(one.history.bought.tolist())
        for one, ranked in zip(buying, again, strict=True)
    ]


def _withdrawn(recommender: ShopRecommender, asked: Sequence[Asked], answers: Sequence[Ranked]) -> list[bool]:
    """The products of the answers, withdrawn, are shown to nobody."""
    gone = np.unique(np.concatenate([ranked.places for ranked in answers])) if answers else np.empty(0, np.int64)
    shelf = recommender.shelf.without(gone)
    left = set(gone.tolist())
    return [not left & set(ranked.places.tolist()) for ranked in _rank(recommender, asked, shelf)]


def _unknown(recommender: ShopRecommender) -> list[bool]:
    [ranked] = recommender.rank([Asked(NEVER_SEEN, NOTHING, 10)], recommender.shelf)
    offered = int(recommender.shelf.allowed(Asked(None, NOTHING).filters).sum())
    return [ranked.cold and len(ranked.places) == min(10, offered)]


def _fresh(recommender: ShopRecommender, asked: Sequence[Asked], answers: Sequence[Ranked]) -> list[bool]:
    """A cart event on a product that was far down changes the answer, towards that product's category or itself."""
    categories = categories_of(recommender.shelf)
    known = np.flatnonzero((recommender.customers > 0) & recommender.shelf.allowed(Asked(None, NOTHING).filters))
    rng = np.random.default_rng(7)
    picked = rng.choice(known, len(asked)) if len(known) else np.zeros(len(asked), dtype=np.int64)
    later = [
        dataclasses.replace(one, history=_then(one.history, int(product), 2.0), k=FRESH_AMONG)
        for one, product in zip(asked, picked, strict=True)
    ]
    before = _rank(recommender, [dataclasses.replace(one, k=FRESH_AMONG) for one in asked])
    return [
        _share(new, product, categories) >= _share(old, product, categories)
        and not np.array_equal(new.places, old.places)
        for new, old, product in zip(_rank(recommender, later), before, picked, strict=True)
    ]


def _share(ranked: Ranked, product: int, categories: np.ndarray) -> float:
    """How much of a list is the product or of its category, those ahead counting more."""
    alike = (ranked.places == product) | (
        (categories[ranked.places] == categories[product]) & (categories[product] >= 0)
    )
    return float((alike / np.log2(np.arange(2, len(alike) + 2))).sum())


def _prefix(recommender: ShopRecommender, asked: Sequence[Asked], answers: Sequence[Ranked]) -> list[bool]:
    """The best ten are the first ten of the best twenty."""
    longer = _rank(recommender, [dataclasses.replace(one, k=2 * one.k) for one in asked])
    return [
        np.array_equal(short.places, long.places[: len(short.places)])
        for short, long in zip(answers, longer, strict=True)
    ]


def _then(history: History, product: int, weight: float) -> History:
    """The history with one more event, a minute after the last."""
    moment = float(history.times[-1]) + 60.0 if len(history) else 0.0
    return history.then(History(np.array([product], np.int32), np.array([moment]), np.array([weight], np.float32)))

"""The graph recommender: Gowalla against GF-CF, a shop of 100,000 products on two cores, and how diverse its lists are.

gowalla: LightGCN propagation and a walk, trained on all but the test fifth of `_recommendation_sets`, less 5% of each
user's places, of which 3,000 users choose weights, walk and share; GF-CF and ItemKNN are fitted on all but the test
fifth; all are asked about the same 10,000 users. shop: the base preset (four layers of attention, two epochs) on the
sample store with 1,000,000 events, in a process of its own. Needs VITRINA_DATA for gowalla.

python benchmarks/graph_recommender.py [--parts gowalla shop] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from _recommendation_sets import Questions, RecommendationSet, recommendation_set
from _results import figure, report

from vitrina.artifacts import read_json, staged_folder
from vitrina.contracts.graph_recommendation import GraphRecommendationRequest
from vitrina.data.sample_store import Size, write_store
from vitrina.errors import UsageError
from vitrina.evaluation import ranking
from vitrina.evaluation.recommendation import per_user, ratio_interval
from vitrina.families.graph_recommender import serving
from vitrina.families.graph_recommender.reading import read
from vitrina.families.graph_recommender.scoring import Scores
from vitrina.families.layers.recommenders import HISTORIES
from vitrina.jobs import prepare, train
from vitrina.recommendation import members
from vitrina.recommendation.histories import History
from vitrina.recommendation.ranking import top
from vitrina.recommendation.shelf import PRODUCTS, Asked
from vitrina.recommendation.splitting import Splits, example_histories, example_targets, split
from vitrina.settings import disable_telemetry, load_settings

FAMILY = "graph_recommender"
CHOOSING = 0.05
CHOOSING_USERS = 3000
GOWALLA_USERS = 10_000
GOWALLA = {
    "model.split": "random",
    "model.propagation": "lightgcn",
    "model.layers": 3,
    "model.dimension": 128,
    "model.history": 200,
    "model.targets": 8,
    "model.negatives": 4096,
    "model.content": 0,
    "model.attributes": [],
    "model.links": 0,
    "model.user_weight": 0.0,
    "training.epochs": 3,
    "training.batch_size": 1024,
    "training.learning_rate": 0.01,
    "training.early_stopping_patience": 0,
}
SIZE = Size(products=100_000, users=20_000, interactions=1_000_000)
LIMIT_GIB = 8.0
RATIO = 0.97
DIVERSITIES = (0.0, 0.2, 0.5)
ASKED = 1000
TIMED = 300
CHUNK = 250

Scorer = Callable[[Sequence[History]], np.ndarray]


def gowalla_data(known: RecommendationSet, folder: Path) -> Path:
    """A prepared folder: the set's test rows, and validation rows cut from everything before them."""
    if folder.exists():
        return folder
    before = pa.concat_tables([known.splits.train, known.splits.recent])
    inner = split(before, known.products, "random", fraction=CHOOSING, longest=2000)
    with staged_folder(folder) as staging:
        # Two parts of 5% are cut; the one that would be test is trained on.
        kept = pa.concat_tables([inner.train, _missing(before, inner)])
        Splits(kept, inner.recent, inner.validation, known.splits.test).save(staging)
        thin(staging / "validation.parquet", CHOOSING_USERS)
        pq.write_table(known.catalogue, staging / PRODUCTS)
        known.known.save(staging / HISTORIES)
    return folder


def _missing(before: pa.Table, inner: Splits) -> pa.Table:
    """The events of `before` that are neither in the training nor in the validation part."""
    columns = ["user_id", "product_id"]
    used = pa.concat_tables([inner.train, inner.recent]).select(columns).append_column("used", _ones(inner))
    joined = before.join(used, keys=columns, join_type="left anti")
    return joined.select(inner.train.column_names).cast(inner.train.schema)


def _ones(inner: Splits) -> pa.Array:
    return pa.array(np.ones(len(inner.train) + len(inner.recent), dtype=bool))


def qualities(score: Scorer, questions: Questions, k: int = 20) -> dict[str, np.ndarray]:
    """Recall and nDCG at `k` of every user, what was seen left out."""
    lists = []
    for start in range(0, len(questions.histories), CHUNK):
        part = slice(start, start + CHUNK)
        lists.append(top(score(questions.histories[part]), k, excluded=questions.seen[part]))
    found = ranking.hits(np.concatenate(lists), questions.targets)
    return per_user(found, np.array([len(each) for each in questions.targets]), k)


def some(questions: Questions, count: int) -> Questions:
    """So many of the users, drawn with a seed."""
    rows = np.sort(np.random.default_rng(7).permutation(len(questions.histories))[:count])
    parts = questions.histories, questions.targets, questions.segments
    return Questions(*([each[row] for row in rows] for each in parts))


def scorer(scores: Scores) -> Scorer:
    """The score of the family without re-ranking."""
    return lambda histories: scores([read(history) for history in histories], [0] * len(histories))


def gowalla(source: Path, folder: Path) -> list[dict[str, Any]]:
    """Recall@20 and nDCG@20 as ratios to GF-CF on the same users."""
    known = recommendation_set("gowalla", source, folder / "tables")
    data, model = gowalla_data(known, folder / "data"), folder / "model"
    if not model.exists():
        train(FAMILY, data, model, overrides=GOWALLA)
    predictor = serving.load(model)
    attention, walk, share = predictor.scores.attention, predictor.scores.walk, predictor.scores.share
    asked = some(known.test, GOWALLA_USERS)
    began = time.perf_counter()
    gfcf = members.fit("gfcf", known.known, {"neighbours": len(known.products)})
    fitted = time.perf_counter() - began
    measured = {
        "ours": qualities(scorer(Scores(attention, walk, share)), asked),
        "attention_alone": qualities(scorer(Scores(attention, walk, 0.0)), asked),
        "walk_alone": qualities(scorer(Scores(attention, walk, 1.0)), asked),
        "gfcf": qualities(gfcf.scores, asked),
        "item_knn": qualities(members.fit("item_knn", known.known).scores, asked),
    }
    figures = []
    for metric, label in (("recall", "Recall@20"), ("ndcg", "nDCG@20")):
        each = {name: values[metric] for name, values in measured.items()}
        means = {name: float(values.mean()) for name, values in each.items()}
        bounds = ratio_interval(each["ours"], each["gfcf"])
        ratio = means["ours"] / means["gfcf"]
        figures.append(figure(f"gowalla {label}, ratio to GF-CF", ratio, "", "higher", RATIO, bounds, **means))
    training = read_json(model / "metrics.json")["training"]
    figures.append(figure("gowalla training time", training["seconds"], "s", "lower", gfcf_fit=fitted))
    return figures


def shop(folder: Path) -> dict[str, Path]:
    """Catalogue and interactions of the sample store; its photos, reviews and messages are not drawn."""
    tables = {name: folder / f"{name}.parquet" for name in ("catalogue", "interactions")}
    if not all(path.exists() for path in tables.values()):
        write_store(folder, SIZE, seed=7, only=tuple(tables))
    return tables


def large_shop(folder: Path) -> list[dict[str, Any]]:
    """Memory and time of the base preset, what it is worth, and its lists with and without re-ranking."""
    data, model, cost = folder / "data", folder / "model", folder / "peak.json"
    if not data.exists():
        prepare(FAMILY, shop(folder), data)
        thin(data / "validation.parquet", CHOOSING_USERS)
    if not model.exists():
        command = [sys.executable, "-m", "vitrina", "train", FAMILY, "--data", str(data), "--output", str(model)]
        command += ["--set", "training.epochs=2"]
        subprocess.run(command, check=True)
        cost.write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20))
    training = read_json(model / "metrics.json")["training"]
    steps = -(-_users(data) // 256)
    epoch = training["seconds"] / max(training["steps"] / steps, 1)
    predictor = serving.load(model)
    return [
        figure(
            "shop of 100k products, 1M events: peak memory of training", float(cost.read_text()), "GiB", "lower", 8.0
        ),
        figure("shop: seconds an epoch, with its evaluation (4 GAT layers)", epoch, "s", "lower"),
        *shop_quality(predictor, data),
        *list_quality(predictor, data),
        *latency(predictor, data),
    ]


def thin(path: Path, count: int) -> None:
    """Keep so many rows of a table, drawn with a seed."""
    rows = pq.read_table(path)
    pq.write_table(rows.take(np.sort(np.random.default_rng(7).permutation(len(rows))[:count])), path)


def _users(data: Path) -> int:
    events = pd.read_parquet(data / "train.parquet", columns=["user_id", "product_id"]).drop_duplicates()
    return int((events.groupby("user_id").size() > 1).sum())


def _rows(predictor: serving.GraphPredictor, data: Path, count: int) -> tuple[list[History], list[np.ndarray]]:
    frame = pd.read_parquet(data / "test.parquet")
    frame = frame.sample(min(count, len(frame)), random_state=7)
    places = predictor.shelf.places
    return example_histories(frame, places), example_targets(frame, places)


def shop_quality(predictor: serving.GraphPredictor, data: Path) -> list[dict[str, Any]]:
    """nDCG@10 on test users beside members fitted on the same events."""
    histories, targets = _rows(predictor, data, ASKED)
    questions = Questions(histories, targets, [])
    training = predictor.shared.training
    scores = predictor.scores
    each = {"attention_alone": scorer(Scores(scores.attention, scores.walk, 0.0))}
    each |= {"walk_alone": scorer(Scores(scores.attention, scores.walk, 1.0))}
    each |= {name: members.fit(name, training).scores for name in ("popularity", "item_knn", "gfcf", "recent_knn")}
    means = {name: float(qualities(one, questions, 10)["ndcg"].mean()) for name, one in each.items()}
    ours = qualities(scorer(scores), questions, 10)["ndcg"]
    return [figure("shop: nDCG@10 of what comes next", float(ours.mean()), "", "higher", None, None, **means)]


def list_quality(predictor: serving.GraphPredictor, data: Path) -> list[dict[str, Any]]:
    """Ten products with several strengths of re-ranking: diversity, novelty, categories, and what it costs."""
    histories, targets = _rows(predictor, data, ASKED)
    table: dict[float, dict[str, float]] = {}
    for diversity in DIVERSITIES:
        request = GraphRecommendationRequest(diversity=diversity)
        asked = [Asked(None, history, 10, excluded=history.distinct, request=request) for history in histories]
        answers = [
            one for start in range(0, ASKED, 50) for one in predictor.rank(asked[start : start + 50], predictor.shelf)
        ]
        found = ranking.hits(np.stack([one.places for one in answers]), targets)
        lists = [one.extra.measures for one in answers]
        table[diversity] = {name: float(np.mean([getattr(one, name) for one in lists])) for name in vars(lists[0])}
        table[diversity]["ndcg"] = float(ranking.ndcg(found, [len(each) for each in targets], 10).mean())
    names = {"diversity": "1 - mean cosine", "novelty": "bits", "coverage": "of categories", "ndcg": ""}
    return [
        figure(
            f"shop: {name} of ten products, re-ranked at 0.2",
            table[0.2][name],
            unit,
            "higher",
            without=table[0.0][name],
            at_05=table[0.5][name],
        )
        for name, unit in names.items()
    ]


def latency(predictor: serving.GraphPredictor, data: Path) -> list[dict[str, Any]]:
    """One request at a time in this process: ten explained products of 100,000, re-ranked."""
    histories, _ = _rows(predictor, data, TIMED)
    seconds = []
    for history in histories:
        one = Asked(None, history, 10, excluded=history.bought, request=GraphRecommendationRequest(diversity=0.3))
        began = time.perf_counter()
        predictor.rank([one], predictor.shelf)
        seconds.append(time.perf_counter() - began)
    median, slow = np.quantile(seconds, [0.5, 0.99]) * 1000
    return [figure("shop: an explained, re-ranked answer, p99", float(slow), "ms", "lower", 50.0, p50=float(median))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["gowalla", "shop"], choices=["gowalla", "shop"])
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/graph_recommender"))
    arguments = parser.parse_args()
    disable_telemetry()
    began, figures = time.perf_counter(), []
    if "gowalla" in arguments.parts:
        source = load_settings().data
        if source is None:
            raise UsageError("VITRINA_DATA must name the folder of the published sets.")
        figures += gowalla(source, arguments.models / "gowalla")
    if "shop" in arguments.parts:
        figures += large_shop(arguments.models / "shop")
    report("graph_recommender", figures, time.perf_counter() - began)


if __name__ == "__main__":
    main()

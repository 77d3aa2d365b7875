"""The same product in two shops? F1 of the matches on walmart_amazon, amazon_google and abt_buy.

Reported are the published validation pairs (the published test pairs are not in the library, so Ditto's figures are of
other pairs of the same sets). Models and thresholds see the published training pairs only: 12% of them, drawn by left
title, choose the re-ranker's weights, calibration and threshold; the baselines take their thresholds on all of them, of
boosting out of fold. `boosting` is gradient boosting on 15 plain string similarities, `boosting_28` on all that the
re-ranker reads. The embedder is the one that product_retrieval.py trains on the same pairs. Needs VITRINA_DATA.

python benchmarks/product_matching.py [--sets walmart_amazon amazon_google abt_buy] [--parts embedder reranker]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _results import figure, published, report
from _retrieval import minilm
from product_retrieval import matching as trained_embedder

from vitrina.artifacts import read_json
from vitrina.contracts.products import Product
from vitrina.data.splits import assign_splits
from vitrina.evaluation import calibration, matching
from vitrina.families.layers.products import product_text, products_of
from vitrina.families.product_embedder import serving as embedding
from vitrina.families.product_reranker import serving
from vitrina.families.product_reranker.reading import SIDES, Idf, Pair, read_frame
from vitrina.families.product_reranker.similarity import SIMILARITIES, similarities
from vitrina.jobs import ingest, prepare, train
from vitrina.settings import disable_telemetry

FAMILY = "product_reranker"
CHOOSING = 0.12
PUBLISHED = {"walmart_amazon": 0.868, "amazon_google": 0.756, "abt_buy": 0.893}
"""Ditto on the published test pairs (Li et al., 2020)."""

SMALL = ("amazon_google",)
"""Sets whose own pairs teach too little: their re-ranker goes on from one that has seen the pairs of all."""

TARGETS = {name: value - 0.03 for name, value in PUBLISHED.items()}
PLAIN = (
    *("title_jaccard", "title_containment", "title_cosine", "title_trigrams", "title_trigrams_contained"),
    *("title_jaro_winkler", "title_sorted", "title_set", "title_partial", "title_lengths", "first_word"),
    *("all_jaccard", "all_cosine", "brands", "prices"),
)


@dataclass(frozen=True)
class Decisions:
    """What a system says of the reported pairs."""

    scores: np.ndarray
    decided: np.ndarray


@dataclass(frozen=True)
class Rows:
    """The pairs of one set; `chosen`: those that thresholds are taken on, the rest is reported."""

    frame: pd.DataFrame
    chosen: np.ndarray

    @property
    def match(self) -> np.ndarray:
        return self.frame["match"].to_numpy(dtype=bool)

    @property
    def truth(self) -> np.ndarray:
        """Of the reported pairs."""
        return self.match[~self.chosen]

    def decide(self, scores: np.ndarray) -> Decisions:
        """The reported pairs at the threshold of the best F1 on the chosen ones; scores of all pairs."""
        return self.cut(scores[self.chosen], scores[~self.chosen])

    def cut(self, own: np.ndarray, reported: np.ndarray) -> Decisions:
        """The reported pairs at the threshold that is best for the scores `own` of the chosen ones."""
        return Decisions(reported, reported >= matching.best_threshold(own, self.match[self.chosen]))


def splits(source: Path, name: str, work: Path) -> Path:
    """The prepared folder of a set: published validation pairs are `test`, some training pairs `validation`."""
    work.mkdir(parents=True, exist_ok=True)
    tables = {table: work / f"{table}.parquet" for table in ("catalogue", "pairs")}
    for table, path in tables.items():
        ingest(source / "product_matching" / name, table, path, layout=f"ditto_{table}")
    pairs = pd.read_parquet(tables["pairs"])
    titles = pd.read_parquet(tables["catalogue"]).set_index("product_id")["title"]
    unsplit = pairs.assign(title=pairs["left_id"].map(titles), split="")
    drawn = assign_splits(unsplit, ["title"], {"validation": CHOOSING}, 7)
    pairs["split"] = drawn.where(pairs["split"] == "train", "test")
    pairs.to_parquet(tables["pairs"], index=False)
    prepare(FAMILY, tables, work / "splits")
    return work / "splits"


def general(source: Path, models: Path) -> Path:
    """A re-ranker of all three sets' training pairs and wdc_computers: where training on amazon_google starts."""
    work = models / "general"
    if (work / "base").exists():
        return work / "base"
    parts = [splits(source, name, models / name).parent for name in PUBLISHED]
    frames, tables = {}, {}
    for table in ("catalogue", "pairs"):
        own = work / f"{table}.wdc.parquet"
        ingest(source / "product_matching" / "wdc_computers", table, own, layout=f"ditto_{table}")
        paths = [own, *(part / f"{table}.parquet" for part in parts)]
        frames[table] = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    pairs, catalogue = frames["pairs"], frames["catalogue"].drop_duplicates("product_id")
    named = pairs["left_id"].isin(catalogue["product_id"]) & pairs["right_id"].isin(catalogue["product_id"])
    frames = {"catalogue": catalogue, "pairs": pairs[named & (pairs["split"] != "test")]}
    for table, frame in frames.items():
        tables[table] = work / f"{table}.parquet"
        frame.to_parquet(tables[table], index=False)
    prepare(FAMILY, tables, work / "splits")
    train(FAMILY, work / "splits", work / "base", preset="base", overrides={"training.epochs": 1})
    return work / "base"


def rows_of(data: Path) -> Rows:
    """All pairs of a prepared folder."""
    parts = [pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation", "test")]
    frame = pd.concat(parts, ignore_index=True)
    return Rows(frame, np.arange(len(frame)) < len(frame) - len(parts[-1]))


def boosted(rows: Rows, table: np.ndarray, names: tuple[str, ...]) -> Decisions:
    """Gradient boosting on some similarities; its threshold is taken on out-of-fold scores."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import GroupKFold, cross_val_predict

    columns = [list(SIMILARITIES).index(name) for name in names]
    known = table[:, columns]
    model = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=200,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.5,
        random_state=7,
    )
    seen, match = known[rows.chosen], rows.match[rows.chosen]
    groups = rows.frame["left_title"][rows.chosen]
    folds = cross_val_predict(model, seen, match, groups=groups, cv=GroupKFold(5), method="predict_proba")[:, 1]
    return rows.cut(folds, model.fit(seen, match).predict_proba(known[~rows.chosen])[:, 1])


def reranked(data: Path, model: Path, weights: str | None = None, start: Path | None = None) -> Decisions:
    """The re-ranker at its own threshold, trained where it is not there yet."""
    if not model.exists():
        train(FAMILY, data, model, preset="base", overrides={"model.start": str(start)} if start else None)
    predicted = serving.load(model, weights).predict_frame(pd.read_parquet(data / "test.parquet"))
    return Decisions(predicted["score"].to_numpy(), (predicted["label"] == "same").to_numpy())


def reranker_figures(name: str, rows: Rows, data: Path, model: Path, start: Path | None) -> list[dict[str, Any]]:
    """F1 as served beside gradient boosting, and what ranking, calibration, int8 and time say."""
    from sklearn.metrics import average_precision_score

    truth = rows.truth
    pairs = read_frame(rows.frame)
    table = similarities(pairs, idf_of(pairs, rows))
    systems = {
        "boosting": boosted(rows, table, PLAIN),
        "boosting_28": boosted(rows, table, tuple(SIMILARITIES)),
    }
    served, exact = reranked(data, model, start=start), reranked(data, model, "model.onnx")
    baselines = {system: matching.f1(truth, each.decided) for system, each in systems.items()}
    found = matching.f1(truth, served.decided)
    bounds = matching.f1_interval(truth, served.decided)
    ranked = {system: float(average_precision_score(truth, each.scores)) for system, each in systems.items()}
    figures = [
        figure(
            f"{name}_f1",
            found,
            "",
            "higher",
            TARGETS[name],
            bounds,
            **baselines,
            fp32=matching.f1(truth, exact.decided),
            ditto_published_test=PUBLISHED[name],
        ),
        figure(
            f"{name}_average_precision",
            float(average_precision_score(truth, served.scores)),
            "",
            "higher",
            None,
            None,
            **ranked,
        ),
        figure(f"{name}_calibration_error", calibration.expected_calibration_error(served.scores, truth), "", "lower"),
        figure(f"{name}_training", read_json(model / "metrics.json")["training"]["seconds"] / 60, "minutes", "lower"),
        figure(f"{name}_rerank_30", milliseconds(data, model), "ms", "lower"),
    ]
    for system, each in systems.items():
        gain, interval = difference(truth, served.decided, each.decided)
        target = 0.0 if system == "boosting" else None
        figures.append(figure(f"{name}_over_{system}", gain, "points of F1", "higher", target, interval))
    return figures


def idf_of(pairs: list[Pair], rows: Rows) -> Idf:
    """Of the products of the chosen pairs."""
    known = [pair for pair, chosen in zip(pairs, rows.chosen, strict=True) if chosen]
    return Idf.fitted({id(reading): reading for pair in known for reading in pair}.values())


def milliseconds(data: Path, model: Path) -> float:
    """Median time to re-rank 30 candidates, int8, one thread."""
    predictor = serving.load(model)
    frame = pd.read_parquet(data / "test.parquet").head(600)
    pairs = [(left.product, right.product) for left, right in read_frame(frame)]
    times = []
    for start in range(0, 600, 30):
        began = time.perf_counter()
        predictor.rerank(pairs[start][0], [right for _, right in pairs[start : start + 30]])
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times[2:]))


def difference(truth: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[float, tuple[float, float]]:
    """How many points of F1 `one` is above `other`, with the 95% interval of a paired bootstrap over pairs."""
    draws = np.random.default_rng(7).integers(0, len(truth), (2000, len(truth)))
    gains = [matching.f1(truth[draw], one[draw]) - matching.f1(truth[draw], other[draw]) for draw in draws]
    low, high = 100 * np.quantile(gains, [0.025, 0.975])
    return 100 * (matching.f1(truth, one) - matching.f1(truth, other)), (float(low), float(high))


def embedder_figures(name: str, rows: Rows, predictor: embedding.EmbedderPredictor) -> list[dict[str, Any]]:
    """Cosine of two vectors and a threshold: trained embedder, untrained encoder, TF-IDF."""
    left, right = (Side.of(rows.frame, side) for side in SIDES)
    truth = rows.truth
    vectors = (predictor.embed_products(side.products)[side.position] for side in (left, right))
    texts = [[product_text(product) for product in side.products] for side in (left, right)]
    systems = {
        "embedder": rows.decide(np.multiply(*vectors).sum(1)),
        "minilm": rows.decide(minilm(texts[1], texts[0])[left.position, right.position]),
        "tfidf": rows.decide(tfidf(texts[0], texts[1])[left.position, right.position]),
    }
    found = {system: matching.f1(truth, each.decided) for system, each in systems.items()}
    bounds = matching.f1_interval(truth, systems["embedder"].decided)
    gain, interval = difference(truth, systems["embedder"].decided, systems["tfidf"].decided)
    value = found.pop("embedder")
    return [
        figure(f"{name}_embedder_f1", value, "", "higher", found["tfidf"], bounds, **found),
        figure(f"{name}_embedder_over_tfidf", gain, "points of F1", "higher", 0.0, interval),
    ]


@dataclass(frozen=True)
class Side:
    """The distinct products of one side, and which of them each pair has."""

    products: list[Product]
    position: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, side: str) -> Side:
        own = frame.filter(regex=f"^{side}_").rename(columns=lambda name: name.removeprefix(f"{side}_"))
        position, _ = pd.factorize(own["product_id"])
        return cls(products_of(own.drop_duplicates("product_id")), position)


def tfidf(left: list[str], right: list[str]) -> np.ndarray:
    """Cosine of the words' TF-IDF vectors, (left, right)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit([*left, *right])
    return (vectorizer.transform(left) @ vectorizer.transform(right).T).toarray()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(PUBLISHED), default=list(PUBLISHED))
    parser.add_argument("--parts", nargs="+", choices=["embedder", "reranker"], default=["embedder", "reranker"])
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/product_matching"), help="kept models")
    retrieval = Path(".vitrina/benchmarks/product_retrieval")
    parser.add_argument("--embedder", type=Path, default=retrieval, help="models of product_retrieval.py")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    figures = []
    predictor = None
    if "embedder" in arguments.parts:
        predictor = embedding.load(trained_embedder(source, arguments.embedder / "matching")[2])
    for name in arguments.sets:
        work = arguments.models / name
        data = splits(source, name, work)
        rows = rows_of(data)
        if predictor is not None:
            figures += embedder_figures(name, rows, predictor)
        if "reranker" in arguments.parts:
            start = general(source, arguments.models) if name in SMALL else None
            figures += reranker_figures(name, rows, data, work / "base", start)
    report("product_matching", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

"""Retrieval of products: damaged names, attribute queries, and one shop's record → the other's.

fashion_products: 15% of the names (with all products of a name) are reported, 5% choose the weights and the weight of
vectors in the hybrid. Queries: (a) held-out names with 30% of the words dropped and one typo; (b) two attributes or one
and the article type, answered by every held-out product labelled so. Indexed is the name alone; figures that end in
`_indexed` also index category and attributes, for every system. product_matching: the left records of the matches among
the published validation pairs are searched in all right records of both files; 8% of the left records of the training
pairs choose. Baselines: BM25 over words, TF-IDF of character n-grams, the untrained encoder. Needs VITRINA_DATA.

python benchmarks/product_retrieval.py [--models FOLDER]
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from _results import figure, published, report
from _retrieval import (
    BASELINES,
    Task,
    best_weight,
    char_tfidf,
    difference_interval,
    embedded,
    hybrid,
    lexical,
    minilm,
    quality,
    word_bm25,
)

from vitrina.contracts import TABLES
from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product
from vitrina.data.splits import assign_splits
from vitrina.data.tables import write_table
from vitrina.families.layers.products import products_of
from vitrina.families.product_embedder import serving
from vitrina.families.product_embedder.queries import AttributeQuery, damaged
from vitrina.families.product_embedder.retrieval import AttributeIndex
from vitrina.jobs import ingest, prepare, train
from vitrina.settings import disable_telemetry

FAMILY = "product_embedder"
FASHION_SPLITS = {"model.validation_fraction": 0.05, "model.test_fraction": 0.15}
MATCHING = {
    "model.max_length": 64,
    "model.frozen_layers": 4,
    "model.lexical_limit": 768,
    "model.lexical_width": 320,
    "training.batch_size": 32,
    "training.max_steps": 600,
}
"""Records are two to three times as long as names: less of each step, all of their n-grams, and more steps."""

SETS = ("walmart_amazon", "amazon_google", "abt_buy")
CHOOSING = 0.08
QUERIES = 2000
ANSWERS = 3
"""Held-out products an attribute query must have."""

ASKED = (("gender", "colour"), ("gender", "usage"), ("gender", "season"), ("colour",), ("gender",))


def fashion(source: Path, work: Path) -> tuple[Path, Path]:
    """The prepared folder and the model trained on it, where they are not there yet."""
    data, model = work / "splits", work / "base"
    if not data.exists():
        ingest(source / "fashion_products", "catalogue", work / "catalogue.parquet", layout="fashion_products")
        prepare(FAMILY, {"catalogue": work / "catalogue.parquet"}, data, overrides=FASHION_SPLITS)
    if not model.exists():
        train(FAMILY, data, model, preset="base", overrides=FASHION_SPLITS)
    return data, model


def fashion_tasks(products: Sequence[Product], indexed: bool) -> list[Task]:
    """Both query sets on these products; `indexed`: category and attributes can be searched, else the name alone."""
    corpus = products if indexed else [Product(product.title) for product in products]
    nothing = frozenset[int]()
    names: dict[str, set[int]] = {}
    for number, product in enumerate(products):
        names.setdefault(" ".join(product.title.lower().split()), set()).add(number)
    chosen = _some([name for name in names if len(name.split()) > 1])
    typed = [Product(damaged(products[min(names[name])].title, random.Random(f"reported {name}"))) for name in chosen]
    answers = [frozenset(names[name]) for name in chosen]
    index = AttributeIndex(products)
    wanted = attribute_queries(products)
    judged = [index.answers(query) for query in wanted]
    return [
        Task("damaged_names", corpus, typed, answers, [nothing] * len(typed)),
        Task(
            "attribute_queries",
            corpus,
            [Product(query.text) for query in wanted],
            [relevant for relevant, _ in judged],
            [unjudged for _, unjudged in judged],
        ),
    ]


def attribute_queries(products: Sequence[Product]) -> list[AttributeQuery]:
    """Every combination of an article type and the attributes `ASKED` that enough products have, as people type it."""
    found: Counter[tuple[tuple[tuple[str, str], ...], str]] = Counter()
    for product in products:
        for names in ASKED:
            if product.category and all(product.attributes.get(name) for name in names):
                found[tuple((name, product.attributes[name]) for name in names), product.category] += 1
    combinations = sorted(key for key, count in found.items() if count >= ANSWERS)
    return _some([_typed(facts, path, number) for number, (facts, path) in enumerate(combinations)])


def _typed(facts: tuple[tuple[str, str], ...], path: str, number: int) -> AttributeQuery:
    """Values and type, "women black heels"; every third one as a phrase, "black heels for women"."""
    kind = path.split(PATH_SEPARATOR)[-1]
    values = [value for _, value in facts]
    if number % 3 == 0 and facts[0][0] == "gender":
        text = " ".join([*values[1:], kind, "for", values[0]])
    else:
        text = " ".join([*values, kind])
    return AttributeQuery(text.lower(), facts, path)


def _some(entries: list[Any]) -> list[Any]:
    return random.Random(7).sample(entries, QUERIES) if len(entries) > QUERIES else entries


def matching(source: Path, work: Path) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    """Records and pairs of all sets (validation pairs are `test`, a part of the others `validation`), and the model."""
    tables = {name: work / f"{name}.parquet" for name in ("catalogue", "pairs")}
    if not tables["pairs"].exists():
        for name in tables:
            for each in SETS:
                folder = source / "product_matching" / each
                ingest(folder, name, work / f"{each}.{name}.parquet", layout=f"ditto_{name}")
        parts = {name: [pd.read_parquet(work / f"{each}.{name}.parquet") for each in SETS] for name in tables}
        write_table(
            pd.concat(parts["catalogue"]).drop_duplicates("product_id"), TABLES["catalogue"], tables["catalogue"]
        )
        pairs = pd.concat(parts["pairs"]).drop_duplicates(["left_id", "right_id"]).reset_index(drop=True)
        drawn = assign_splits(pairs.drop(columns="split"), ["left_id"], {"validation": CHOOSING}, 7)
        pairs["split"] = drawn.where(pairs["split"] == "train", "test")
        write_table(pairs, TABLES["pairs"], tables["pairs"])
    if not (work / "splits").exists():
        prepare(FAMILY, tables, work / "splits")
    if not (work / "base").exists():
        train(FAMILY, work / "splits", work / "base", preset="base", overrides=MATCHING)
    return pd.read_parquet(tables["catalogue"]), pd.read_parquet(tables["pairs"]), work / "base"


def matching_task(name: str, work: Path, catalogue: pd.DataFrame, pairs: pd.DataFrame, split: str) -> Task:
    """The left records of a split's matches, searched in all right records of the set."""
    own = pd.read_parquet(work / f"{name}.pairs.parquet", columns=["left_id", "right_id"])
    pairs = pairs.merge(own, on=["left_id", "right_id"])
    matches = pairs[(pairs["split"] == split) & pairs["match"]].groupby("left_id")["right_id"].agg(set)
    right = sorted(set(pairs["right_id"]))
    by_id = catalogue.set_index("product_id")
    corpus, queries = products_of(by_id.loc[right]), products_of(by_id.loc[list(matches.index)])
    place = {product_id: number for number, product_id in enumerate(right)}
    relevant = [frozenset(place[other] for other in others) for others in matches]
    return Task(f"match_{name}", corpus, queries, relevant, [frozenset[int]()] * len(queries))


def figures_of(task: Task, predictor: serving.EmbedderPredictor, weight: float, suffix: str = "") -> list[dict]:
    """All systems on one task: the figures of the hybrid beside the others, and its gain over the best baseline."""
    asked, vectors = embedded(task, predictor)
    texts, queries = task.texts, task.asked
    words = lexical(texts, queries)
    measured = {
        "bm25": quality(word_bm25(texts, queries), task),
        "char_tfidf": quality(char_tfidf(texts, queries), task),
        "minilm": quality(minilm(texts, queries), task),
        "lexical": quality(words, task),
        "embedder": quality(asked @ vectors.T, task),
        "hybrid": quality(hybrid(asked @ vectors.T, words, weight), task),
    }
    for size in predictor.dimensions[1:]:
        shorter = predictor.cut(asked, size) @ predictor.cut(vectors, size).T
        measured[f"embedder_{size}"] = quality(shorter, task)
    best = max(BASELINES, key=lambda name: measured[name]["ndcg_at_10"].mean())
    found, against = measured["hybrid"]["ndcg_at_10"], measured[best]["ndcg_at_10"]
    wanted = 3.0 if task.name == "attribute_queries" else 0.0
    name = f"{task.name}{suffix}"
    gain = 100 * float((found - against).mean())
    figures = [
        figure(
            f"{name}_{metric}",
            float(measured["hybrid"][metric].mean()),
            "",
            "higher",
            None,
            None,
            **{system: float(values[metric].mean()) for system, values in measured.items() if system != "hybrid"},
        )
        for metric in ("ndcg_at_10", "recall_at_10", "mrr")
    ]
    target = None if suffix else wanted
    return [*figures, figure(f"{name}_gain", gain, "points", "higher", target, difference_interval(found, against))]


def fashion_figures(source: Path, work: Path) -> list[dict]:
    """Query sets (a) and (b), with the name alone and with all that is known indexed."""
    data, model = fashion(source, work)
    predictor = serving.load(model)
    chosen, reported = (products_of(pd.read_parquet(data / f"{part}.parquet")) for part in ("validation", "test"))
    figures = []
    for indexed in (False, True):
        weight = best_weight(fashion_tasks(chosen, indexed), predictor)
        suffix = "_indexed" if indexed else ""
        for task in fashion_tasks(reported, indexed):
            figures += figures_of(task, predictor, weight, suffix)
        figures.append(figure(f"fashion_vector_weight{suffix}", weight, "", "higher"))
    return figures


def matching_figures(source: Path, work: Path) -> list[dict]:
    """Query set (c), one model for the three sets."""
    catalogue, pairs, model = matching(source, work)
    predictor = serving.load(model)
    weight = best_weight([matching_task(each, work, catalogue, pairs, "validation") for each in SETS], predictor)
    tasks = [matching_task(each, work, catalogue, pairs, "test") for each in SETS]
    figures = [each for task in tasks for each in figures_of(task, predictor, weight)]
    return [*figures, figure("matching_vector_weight", weight, "", "higher")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(".vitrina/benchmarks/product_retrieval")
    parser.add_argument("--models", type=Path, default=folder, help="kept models")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    figures = []
    for name, measure in (("fashion", fashion_figures), ("matching", matching_figures)):
        work = arguments.models / name
        work.mkdir(parents=True, exist_ok=True)
        figures += measure(source, work)
    report("product_retrieval", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

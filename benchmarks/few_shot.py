"""Labels for classes never trained on: CLINC150 with 50 intents held out, Omniglot with two alphabets held out.

Held-out classes are chosen by a hash of their name, before anything is trained; validation classes, which choose the
weights, are others. Every method answers the same episodes with the same support; intervals are bootstrapped over
episodes, of a gain pairwise. Needs VITRINA_DATA.

python benchmarks/few_shot.py [--parts text image speed http] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _few_shot_http import latencies
from _results import figure, published, report

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.families.few_shot_classifier import episodes, metrics, serving
from vitrina.families.few_shot_classifier.head import Rates, adapt
from vitrina.jobs import ingest, prepare, train
from vitrina.settings import disable_telemetry

FAMILY = "few_shot_classifier"
SEED = 7
HELD_OUT, CHOOSING = 50, 20
"""Intents that are reported, and intents that choose the weights; the other 80 train."""

GAINS = {"50way_1shot": 3.0, "50way_5shot": 1.0}
"""Points above the nearest prototype of the frozen encoder."""

ALPHABETS, SMALLEST = 2, 20
"""Alphabets reported: a 20-way episode within one needs as many characters."""

EPISODES = 600
PLAIN = Rates(1.0, np.empty((0, 1), dtype=np.float32), np.empty(0, dtype=np.float32))


def ordered(names: set[str]) -> list[str]:
    """By a hash of the name."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{SEED}{name}".encode()).hexdigest())


def text_data(source: Path, work: Path) -> Path:
    """CLINC150 split by intent."""
    table, data = work / "messages.parquet", work / "splits"
    ingest(source / "clinc150", "messages", table, layout="clinc150")
    rows = pd.read_parquet(table)
    rows = rows[rows["intent"] != OUT_OF_SCOPE]
    names = ordered(set(rows["intent"]))
    split = {
        name: "test" if place < HELD_OUT else "validation" for place, name in enumerate(names[: HELD_OUT + CHOOSING])
    }
    rows.assign(split=rows["intent"].map(split).fillna("train")).to_parquet(table, index=False)
    prepare(FAMILY, {"messages": table}, data)
    return data


def image_data(source: Path, work: Path) -> Path:
    """Omniglot split by alphabet: two report, the smallest other that is large enough chooses, the rest train."""
    tables = {"images": work / "images.parquet", "catalogue": work / "catalogue.parquet"}
    ingest(source / "omniglot", "images", tables["images"], layout="omniglot")
    ingest(source / "omniglot", "catalogue", tables["catalogue"], layout="omniglot_catalogue")
    rows = pd.read_parquet(tables["catalogue"])
    alphabet = rows["category"].str.split(" > ").str[0]
    sizes = rows.groupby(alphabet)["category"].nunique()
    large = [name for name in ordered(set(alphabet)) if sizes[name] >= SMALLEST]
    split = dict.fromkeys(large[:ALPHABETS], "test") | {
        min(large[ALPHABETS:], key=lambda name: sizes[name]): "validation"
    }
    rows.assign(split=alphabet.map(split).fillna("train")).to_parquet(tables["catalogue"], index=False)
    prepare(FAMILY, tables, work / "splits", preset="omniglot")
    return work / "splits"


def frozen(texts: list[str]) -> np.ndarray:
    """The pretrained encoder as it is: unit-length means of the last hidden states."""
    import torch

    from vitrina.text.encoders import DEFAULT_ENCODER, load_encoder, load_tokenizer

    encoder, tokenizer = load_encoder(DEFAULT_ENCODER).eval(), load_tokenizer(DEFAULT_ENCODER)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(texts), 64):
            batch = tokenizer(texts[start : start + 64], padding=True, truncation=True, return_tensors="pt")
            mask = batch["attention_mask"].unsqueeze(-1)
            mean = (encoder(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            parts.append(torch.nn.functional.normalize(mean, dim=1).numpy())
    return np.concatenate(parts)


def text_figures(model: Path, data: Path) -> list[dict[str, Any]]:
    """Accuracy on the held-out intents, and the gain over frozen prototypes in points."""
    rows = pd.read_parquet(data / "test.parquet").sort_values("row_id").drop(columns="parent").reset_index(drop=True)
    predictor = serving.load(model)
    ours = metrics.measure(predictor.embed(rows), rows, predictor.rates, EPISODES)
    before = metrics.measure(frozen(list(rows["text"])), rows, PLAIN, EPISODES)
    figures = []
    for each, old in zip(ours, before, strict=True):
        baselines = {"prototypes": each.prototypes.mean(), "frozen_prototypes": old.adapted.mean()}
        bounds = metrics.interval(each.adapted)
        figures.append(figure(f"clinc150_{each.name}", each.adapted.mean(), "", "higher", None, bounds, **baselines))
        gain = 100 * (each.adapted - old.adapted)
        target = GAINS.get(each.name)
        figures.append(
            figure(f"clinc150_{each.name}_gain", gain.mean(), "points", "higher", target, metrics.interval(gain))
        )
    return figures


def image_figures(model: Path, data: Path) -> list[dict[str, Any]]:
    """Error of 20-way one-shot episodes within an alphabet that was held out whole, for each and for both."""
    rows = pd.read_parquet(data / "test.parquet").sort_values("row_id").reset_index(drop=True)
    predictor = serving.load(model)
    vectors, raw = predictor.embed(rows), inked(list(rows["text"]))
    figures = []
    parts: list[dict[str, np.ndarray]] = []
    for alphabet, part in rows.groupby("parent"):
        classes = [part.index.to_numpy()[each] for each in episodes.rows_by_class(part["label"]).values()]
        parts.append(errors(classes, vectors, raw, predictor.rates))
        figures.append(error_figure(f"omniglot_{str(alphabet).lower()}", parts[-1], None))
    both = {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
    return [error_figure("omniglot", both, 0.15), *figures]


def errors(classes: list[np.ndarray], vectors: np.ndarray, raw: np.ndarray, rates: Rates) -> dict[str, np.ndarray]:
    """Error of each episode: the model, its prototypes, and the nearest neighbour of the pixels."""
    rng = np.random.default_rng(SEED)
    found: dict[str, list[float]] = {"adapted": [], "prototypes": [], "pixels": []}
    for _ in range(EPISODES):
        one = episodes.draw(classes, 20, 1, 1, rng)
        for name, used, learned in (
            ("adapted", vectors, rates),
            ("prototypes", vectors, rates.without_steps()),
            ("pixels", raw, PLAIN),
        ):
            head = adapt(used[one.support], one.support_labels, one.ways, learned)
            found[name].append(float((head.logits(used[one.query]).argmax(1) != one.query_labels).mean()))
    return {name: np.array(values) for name, values in found.items()}


def error_figure(name: str, found: dict[str, np.ndarray], target: float | None) -> dict[str, Any]:
    """The error of the adapted head, with its interval and the baselines."""
    baselines = {each: found[each].mean() for each in ("prototypes", "pixels")}
    bounds = metrics.interval(found["adapted"])
    return figure(f"{name}_20way_1shot_error", found["adapted"].mean(), "", "lower", target, bounds, **baselines)


def inked(texts: list[str]) -> np.ndarray:
    """Framed drawings as unit-length pixel vectors."""
    from vitrina.families.few_shot_classifier.batches import pictures
    from vitrina.families.few_shot_classifier.configuration import ImageOptions
    from vitrina.families.few_shot_classifier.images import pixels

    flat = pixels(pictures(texts, ImageOptions())).reshape(len(texts), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def speed_figures(name: str, model: Path, data: Path) -> list[dict[str, Any]]:
    """Milliseconds from 25 examples of 5 new classes to a classifier: median and 99th percentile, one thread."""
    rows = pd.read_parquet(data / "test.parquet")
    groups = {str(label): list(part["text"]) for label, part in rows.groupby("label")}
    predictor, rng, taken = serving.load(model), np.random.default_rng(SEED), []
    for _ in range(200):
        labels = rng.choice(sorted(groups), 5, replace=False)
        classes = {label: list(rng.choice(groups[label], 5, replace=False)) for label in labels}
        started = time.perf_counter()
        predictor.classifier(classes)
        taken.append(1000 * (time.perf_counter() - started))
    warm = np.array(taken[20:])
    return [
        figure(f"{name}_adaptation_5way_5shot", float(np.median(warm)), "ms", "lower", 100),
        figure(f"{name}_adaptation_5way_5shot_p99", float(np.quantile(warm, 0.99)), "ms", "lower", 100),
    ]


def http_figures(model: Path, data: Path) -> list[dict[str, Any]]:
    """One text labelled over HTTP by 25 examples in the request, and by a kept set of the same 5 classes."""
    rows = pd.read_parquet(data / "test.parquet")
    groups = {str(label): list(part["text"]) for label, part in rows.groupby("label")}
    figures = []
    for (name, connections), (median, p99) in latencies(model, groups).items():
        figures.append(figure(f"http_{name}_{connections}_connections_p50", median, "ms", "lower"))
        figures.append(figure(f"http_{name}_{connections}_connections_p99", p99, "ms", "lower"))
    return figures


def main() -> None:
    parts = ["text", "image", "speed", "http"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/few_shot"), help="kept models")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    figures: list[dict[str, Any]] = []
    for name, preset, made, measured in (
        ("text", "base", text_data, text_figures),
        ("image", "omniglot", image_data, image_figures),
    ):
        if not {name, "speed", "http"} & set(arguments.parts):
            continue
        work = arguments.models / name
        work.mkdir(parents=True, exist_ok=True)
        data, model = made(source, work), work / "model"
        if not model.exists():
            train(FAMILY, data, model, preset=preset)
        figures += measured(model, data) if name in arguments.parts else []
        figures += speed_figures(name, model, data) if "speed" in arguments.parts else []
        figures += http_figures(model, data) if name == "text" and "http" in arguments.parts else []
    report("few_shot", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

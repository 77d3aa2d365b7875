"""Quality of the multimodal model on the products of fashion_products that have a photo.

20% of the names with a photo are reported, 8% choose weights and temperatures, equal names stay together; every other
product, with a photo or without, trains. articleType by name and photo, against the same architecture trained with
names alone (on the same rows: also the products without photos) and with photos alone, the same model shown one of
them, and a linear SVM of the names; and how sure the model is of the truth with the photo and without it.

Robust: the name is withheld from a random 30% of the reported rows; on these rows the model is compared with the one
trained on photos alone. text → photo: each reported name among the photos of all reported products, its own photo is
right; a category-only oracle knows the true articleType and nothing else. Single modalities are trained only with
--alone. Needs VITRINA_DATA.

python benchmarks/multimodal.py [--alone] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import _linear_baselines as linear
import numpy as np
import pandas as pd
from _multimodal_rows import FAMILY, prepared
from _results import figure, published, report

from vitrina.artifacts import read_json
from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.evaluation.calibration import softmax
from vitrina.families.layers.product_heads.heads import CATEGORY
from vitrina.families.multimodal_product import metrics, serving
from vitrina.jobs import train
from vitrina.settings import disable_telemetry

DRAWS = 2000
WITHHELD = 0.3
K = 10


def model_of(data: Path, folder: Path, *modalities: str) -> Path:
    """The trained model; trained where it does not exist yet."""
    if not folder.exists():
        overrides = {"model.modalities": list(modalities)} if modalities else None
        train(FAMILY, data, folder, overrides=overrides)
    return folder


def types(paths: pd.Series) -> np.ndarray:
    """The last name of each category path."""
    return np.array([path.split(PATH_SEPARATOR)[-1] for path in paths], dtype=object)


def hits(model: Path, rows: pd.DataFrame, *withheld: str) -> np.ndarray:
    """(rows,) 1 where the served model tells the articleType, 0 elsewhere; attributes and category are not shown."""
    shown = metrics.without(rows, *withheld).drop(columns=["category", "attributes"])
    said = types(serving.load(model).predict_frame(shown)["label"])
    return (said == types(rows["category"])).astype(float)


def surprise(model: Path, rows: pd.DataFrame, *withheld: str) -> np.ndarray:
    """(rows,) -log P of the articleType's whole path, by the served model's calibrated probabilities; at least 1e-6."""
    predictor = serving.load(model)
    head = next(head for head in predictor.heads if head.name == CATEGORY)
    shown = metrics.without(rows, *withheld).drop(columns=["category", "attributes"])
    told = softmax(predictor.logits(predictor.look_at(shown))[:, head.columns])
    places = {label: place for place, label in enumerate(head.labels)}
    right = [told[row, places[path]] if path in places else 0.0 for row, path in enumerate(rows["category"])]
    return -np.log(np.maximum(right, 1e-6))


def svm_hits(data: Path, rows: pd.DataFrame, kept: Path) -> np.ndarray:
    """The same of a linear SVM of all training names; kept, because it takes minutes."""
    if not kept.exists():
        parts = [pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation")]
        truth = [types(part["category"]) for part in parts]
        features = linear.tfidf(*(list(part["title"]) for part in (*parts, rows)))
        said = linear.labels(features, *truth, svm=True)
        pd.DataFrame({"hit": (said == types(rows["category"])).astype(float)}).to_parquet(kept)
    return pd.read_parquet(kept)["hit"].to_numpy()


def resamples(rows: int) -> np.ndarray:
    """(draws, rows) how often a resample holds each row, as shares that sum to 1."""
    return np.random.default_rng(7).multinomial(rows, np.full(rows, 1 / rows), size=DRAWS) / rows


def interval(values: np.ndarray) -> list[float]:
    """95% bootstrap interval of a mean."""
    return np.quantile(resamples(len(values)) @ values, [0.025, 0.975]).tolist()


def accuracy_figures(both: np.ndarray, others: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """articleType by both, to be above every other, and the gain over each with its interval."""
    means = {name: float(values.mean()) for name, values in others.items()}
    found = [figure("article_type_accuracy", both.mean(), "", "higher", max(means.values()), interval(both), **means)]
    for name, values in others.items():
        gain = 100 * (both - values)
        found.append(figure(f"gain_over_{name}", gain.mean(), "points", "higher", 0.0, interval(gain)))
    return found


def certainty_figures(both: np.ndarray, others: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """How much less surprised the model is by the truth when it sees the photo beside the name."""
    means = {name: float(values.mean()) for name, values in others.items()}
    found = [figure("log_loss", both.mean(), "nats", "lower", min(means.values()), interval(both), **means)]
    for name, values in others.items():
        less = values - both
        found.append(figure(f"log_loss_less_than_{name}", less.mean(), "nats", "higher", 0.0, interval(less)))
    return found


def robust_figures(withheld: np.ndarray, alone: np.ndarray, mixed: np.ndarray) -> list[dict[str, Any]]:
    """On the rows without a name against a model of photos alone: at most 3 points lower; and on all rows."""
    gap = 100 * (withheld - alone)
    return [
        figure("names_withheld_gap_to_photo_model", gap.mean(), "points", "higher", -3.0, interval(gap)),
        figure("accuracy_with_30%_of_names_withheld", mixed.mean(), "", "higher", None, interval(mixed)),
    ]


def retrieval_figures(model: Path, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Recall@10 both ways; chance is 10 of all photos, the oracle 10 of those of the true articleType."""
    predictor = serving.load(model)
    words, looks = (predictor.embed(metrics.without(rows, column)) for column in ("image", "title"))
    scores = words @ looks.T
    kinds, counts = np.unique(types(rows["category"]).astype(str), return_counts=True)
    sizes = dict(zip(kinds, counts, strict=True))
    oracle = np.mean([min(1.0, K / sizes[kind]) for kind in types(rows["category"]).astype(str)])
    found = []
    for name, way in (("text_to_photo", scores), ("photo_to_text", scores.T)):
        own = (way >= np.diag(way)[:, None]).sum(1) <= K
        bounds = interval(own.astype(float))
        chance = K / len(rows)
        found.append(
            figure(f"{name}_recall_at_10", own.mean(), "", "higher", None, bounds, random=chance, category=oracle)
        )
    return found


def figures_of(source: Path, work: Path, alone: bool) -> list[dict[str, Any]]:
    """All figures; `alone`: also train and compare with models of one modality."""
    data = prepared(source, work)
    model = model_of(data, work / "base")
    rows = metrics.with_both(pd.read_parquet(data / "test.parquet"))
    both, text, photo = hits(model, rows), hits(model, rows, "image"), hits(model, rows, "title")
    others = {"same_model_text": text, "same_model_photo": photo, "svm": svm_hits(data, rows, work / "svm.parquet")}
    sure, less_sure = surprise(model, rows), {"same_model_text": surprise(model, rows, "image")}
    gone = np.random.default_rng(7).random(len(rows)) < WITHHELD
    found = []
    if alone:
        single = {name: model_of(data, work / name, name) for name in ("text", "photo")}
        others["text_model"] = hits(single["text"], rows, "image")
        others["photo_model"] = hits(single["photo"], rows, "title")
        less_sure["text_model"] = surprise(single["text"], rows, "image")
        found += robust_figures(photo[gone], others["photo_model"][gone], np.where(gone, photo, both))
    found = accuracy_figures(both, others) + certainty_figures(sure, less_sure) + found + retrieval_figures(model, rows)
    exact = serving.load(model, "model.onnx").predict_frame(rows.drop(columns=["category", "attributes"]))
    loss = 100 * ((types(exact["label"]) == types(rows["category"])).mean() - both.mean())
    minutes = read_json(model / "metrics.json")["training"]["seconds"] / 60
    return [
        *found,
        figure("int8_accuracy_loss", loss, "points", "lower", 0.5),
        figure("training", minutes, "minutes", "lower"),
        figure("rows", len(rows), "products", "higher"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="also train with names alone and with photos alone")
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/multimodal"), help="kept models")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    arguments.models.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    report("multimodal", figures_of(source, arguments.models, arguments.alone), time.perf_counter() - started)


if __name__ == "__main__":
    main()

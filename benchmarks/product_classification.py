"""Quality of the product classifier on public sets, against a linear SVM and frozen MiniLM measured on the same rows.

`fashion_products`: category, gender, colour, season and usage from the name; 15% of the names are reported, 5% of the
rest choose weights and thresholds, and equal names stay together. `womens_clothing_reviews`: recommended and rating
from title and text, cut the same way. Baselines choose their C or alpha on the same 5%. Needs VITRINA_DATA.

python benchmarks/product_classification.py [--sets fashion reviews] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import _linear_baselines as linear
import numpy as np
import pandas as pd
from _results import figure, published, report

from vitrina.artifacts import read_json
from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.data.splits import assign_splits
from vitrina.families.layers.product_heads.targets import stated_attributes
from vitrina.families.product_classifier import metrics, serving
from vitrina.jobs import ingest, prepare, train
from vitrina.settings import disable_telemetry

FAMILY = "product_classifier"
REPORTED, CHOOSING = 0.15, 0.05
ATTRIBUTES = ("gender", "colour", "season", "usage")
DRAWS = 2000


def split_by(rows: pd.DataFrame, column: str) -> pd.Series:
    """15% to report, 5% of the rest to choose on, by the content of `column`."""
    reported = assign_splits(rows, [column], {"test": REPORTED}, 7)
    choosing = assign_splits(rows, [column], {"validation": CHOOSING}, 11)
    return reported.where(reported == "test", choosing)


def prepared(source: Path, name: str, table: str, work: Path, preset: str) -> Path:
    """Ingest a set, cut it and prepare it for the family."""
    path, data = work / f"{table}.parquet", work / "splits"
    ingest(source / name, table, path, layout=name)
    rows = pd.read_parquet(path)
    if table == "catalogue":
        rows = rows[rows["category"].notna()]
    rows.assign(split=split_by(rows, "title" if table == "catalogue" else "text")).to_parquet(path, index=False)
    prepare(FAMILY, {table: path}, data, preset=preset)
    return data


def model_of(data: Path, folder: Path, preset: str) -> Path:
    """The trained model; trained where it does not exist yet."""
    if not folder.exists():
        train(FAMILY, data, folder, preset=preset)
    return folder


def targets_of(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """True labels of each target, None where unknown."""
    stated = stated_attributes(rows)
    found = {name: np.array([one.get(name) for one in stated], dtype=object) for name in ATTRIBUTES}
    return {"article_type": leaves(rows["category"]), **found}


def leaves(paths: pd.Series) -> np.ndarray:
    """The last name of each category path."""
    return np.array([path.split(PATH_SEPARATOR)[-1] for path in paths], dtype=object)


def said_by(model: Path, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the served model says of each target, from the title alone."""
    predicted = serving.load(model).predict_frame(rows[["title"]])
    found = {name: predicted[f"attributes.{name}"].to_numpy() for name in ATTRIBUTES}
    return {"article_type": leaves(predicted["label"]), **found}


def baselines_of(parts: dict[str, pd.DataFrame], kept: Path) -> dict[str, dict[str, np.ndarray]]:
    """What the SVM and frozen MiniLM say of each target of the test rows; kept, because they take minutes."""
    if not kept.exists():
        texts = [list(parts[name]["title"]) for name in ("train", "validation", "test")]
        known = {name: targets_of(part) for name, part in parts.items()}
        features = {"tfidf_svm": linear.tfidf(*texts), "frozen_minilm_lr": linear.frozen(*texts)}
        columns = {
            f"{name}.{target}": linear.labels(
                part, known["train"][target], known["validation"][target], svm=name == "tfidf_svm"
            )
            for name, part in features.items()
            for target in known["train"]
        }
        pd.DataFrame(columns).to_parquet(kept)
    frame = pd.read_parquet(kept)
    return {
        name: {column.split(".")[1]: frame[column].to_numpy() for column in map(str, frame) if column.startswith(name)}
        for name in ("tfidf_svm", "frozen_minilm_lr")
    }


def fashion_figures(source: Path, work: Path) -> list[dict[str, Any]]:
    """Each target of the names: the model, both baselines, and the gain over the better one."""
    data = prepared(source, "fashion_products", "catalogue", work, "base")
    model = model_of(data, work / "base", "base")
    parts = {name: pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation", "test")}
    said, truth = said_by(model, parts["test"]), targets_of(parts["test"])
    others = baselines_of(parts, work / "baselines.parquet")
    figures = []
    for target, true in truth.items():
        known = np.array([value is not None for value in true])
        answers = {"model": said[target][known]} | {name: one[target][known] for name, one in others.items()}
        figures += compared(f"{target}_accuracy", true[known], answers, accuracies)
        if target == "article_type":
            figures += compared(f"{target}_macro_f1", true[known], answers, macro_f1s)
    return figures + tree_figures(model, parts["test"])


def tree_figures(model: Path, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The category tree, calibration, abstaining and behaviour, as `vitrina evaluate` measures them; int8 loss."""
    measured = metrics.evaluate(serving.load(model), rows).metrics
    exact = metrics.evaluate(serving.load(model, "model.onnx"), rows).metrics
    names = [name for name in measured if name.startswith("category_")] + ["behaviour"]
    lower = ("_calibration_error",)
    figures = [figure(name, measured[name], "", "lower" if name.endswith(lower) else "higher") for name in names]
    loss = 100 * (exact["accuracy"] - measured["accuracy"])
    minutes = read_json(model / "metrics.json")["training"]["seconds"] / 60
    return [
        *figures,
        figure("int8_accuracy_loss", loss, "points", "lower", 0.3),
        figure("fashion_training", minutes, "minutes", "lower"),
    ]


def compared(name: str, truth: np.ndarray, answers: dict[str, np.ndarray], measure: Any) -> list[dict[str, Any]]:
    """A figure of the model, to be above both baselines, and its gain over the better one with a 95% interval."""
    generator = np.random.default_rng(7)
    whole = {who: float(measure(truth, said, None)[0]) for who, said in answers.items()}
    value = whole.pop("model")
    best = max(whole, key=lambda who: whole[who])
    draws = generator.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=DRAWS)
    model, other = (measure(truth, answers[who], draws) for who in ("model", best))
    gains = np.quantile(100 * (model - other), [0.025, 0.975])
    return [
        figure(name, value, "", "higher", whole[best], np.quantile(model, [0.025, 0.975]), **whole),
        figure(f"{name}_gain", 100 * (value - whole[best]), "points", "higher", 0.0, gains),
    ]


def accuracies(truth: np.ndarray, said: np.ndarray, draws: np.ndarray | None) -> np.ndarray:
    """Accuracy of each resample; (draws, rows) counts, None: the rows as they are."""
    counts = np.ones((1, len(truth))) if draws is None else draws
    return counts @ (truth == said).astype(float) / len(truth)


def macro_f1s(truth: np.ndarray, said: np.ndarray, draws: np.ndarray | None) -> np.ndarray:
    """Mean F1 over the classes that each resample holds."""
    counts = np.ones((1, len(truth))) if draws is None else draws
    classes = np.unique(truth.astype(str))
    place = {name: number for number, name in enumerate(classes)}
    true = np.array([place[name] for name in truth])
    told = np.array([place.get(name, len(classes)) for name in said])
    found = []
    for weights in counts:
        rows = np.bincount(true, weights, len(classes))
        claims = np.bincount(told, weights, len(classes) + 1)[:-1]
        hits = np.bincount(true[true == told], weights[true == told], len(classes))
        held = rows > 0
        found.append((2 * hits[held] / (rows + claims)[held]).mean())
    return np.array(found)


def review_figures(source: Path, work: Path) -> list[dict[str, Any]]:
    """Recommended (AUC) and stars (RMSE) from the words of a review."""
    from vitrina.families.layers.product_heads.scores import rmse

    data = prepared(source, "womens_clothing_reviews", "reviews", work, "reviews")
    model = model_of(data, work / "reviews", "reviews")
    parts = {name: pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation", "test")}
    predicted = serving.load(model).predict_frame(parts["test"][["title", "review"]])
    features = linear.tfidf(*(list(parts[name]["review"]) for name in ("train", "validation", "test")))
    likes = {name: part["recommended"].to_numpy() for name, part in parts.items()}
    stars = {name: part["rating"].to_numpy() for name, part in parts.items()}
    scores = linear.recommendation(features, likes["train"], likes["validation"])
    ratings = linear.stars(features, stars["train"], stars["validation"])
    said = predicted["recommended"].to_numpy(), predicted["rating"].to_numpy()
    auc = resampled(likes["test"], said[0], scores, area)
    error = resampled(stars["test"], said[1], ratings, rmse)
    minutes = read_json(model / "metrics.json")["training"]["seconds"] / 60
    return [
        figure("recommended_auc", auc["model"], "", "higher", 0.968, auc["interval"], tfidf_lr=auc["other"]),
        figure("recommended_auc_gain", 100 * auc["gain"], "points", "higher", 0.0, 100 * auc["gains"]),
        figure("rating_rmse", error["model"], "stars", "lower", 0.64, error["interval"], tfidf_ridge=error["other"]),
        figure("rating_rmse_gain", -error["gain"], "stars", "higher", 0.0, sorted(-error["gains"])),
        figure("reviews_training", minutes, "minutes", "lower"),
    ]


def area(said: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, said))


def resampled(truth: np.ndarray, model: np.ndarray, other: np.ndarray, measure: Any) -> dict[str, Any]:
    """Both measured on all rows and on resamples of them: values, difference, 95% intervals."""
    generator = np.random.default_rng(7)
    rows = generator.integers(0, len(truth), (DRAWS, len(truth)))
    pairs = np.array([[measure(one[row], truth[row]) for one in (model, other)] for row in rows])
    found = {"model": measure(model, truth), "other": measure(other, truth)}
    return {
        **found,
        "gain": found["model"] - found["other"],
        "interval": np.quantile(pairs[:, 0], [0.025, 0.975]),
        "gains": np.quantile(pairs[:, 0] - pairs[:, 1], [0.025, 0.975]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=["fashion", "reviews"], default=["fashion", "reviews"])
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/products"), help="kept models")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    figures: list[dict[str, Any]] = []
    for name in arguments.sets:
        work = arguments.models / name
        work.mkdir(parents=True, exist_ok=True)
        figures += fashion_figures(source, work) if name == "fashion" else review_figures(source, work)
    report("product_classification", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

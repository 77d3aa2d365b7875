"""The fashion recommender: photos of clothing, stars of a sample store's reviews, and a public set without photos.

One model is trained on a sample store with about 5,000 reviews and, beside it, real photos of products that nobody
reviewed (1,500 of fashion_products, the training photos of clothing_small): the base preset with 48 pixels, narrower
stages and 400 steps, chosen by what two shared cores compute in minutes. Reported are

- the category of clothing_small's published validation photos (10 classes), by the vision encoder's own head and by a
  logistic regression on its vectors; baselines: logistic regressions on raw 24-pixel photos and on colour histograms,
  their C chosen on a tenth of the training photos;
- the stars of the store's test reviews (the latest tenth) against the mean, regularised biases, and the model without
  and with only some of its parts, on the same rows, with bootstrap intervals; and where liked products are ranked;
- amazon_fashion_5core (28 products, no photos, repeated texts kept once) by the same means: what it can support.

womens_clothing_reviews has neither customers nor times: it cannot train this family. Needs VITRINA_DATA.

python benchmarks/fashion_recommender.py [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _fashion_shops import CLOTHING, amazon_fashion, photographed, tables
from _results import figure, published, report
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vitrina.artifacts import read_json
from vitrina.evaluation.recommendation import interval
from vitrina.families.fashion_recommender import data as rows_of
from vitrina.families.fashion_recommender import serving
from vitrina.families.fashion_recommender.known import PARTS, Known
from vitrina.families.fashion_recommender.metrics import evaluate
from vitrina.families.layers import photos
from vitrina.jobs import prepare, train
from vitrina.settings import disable_telemetry, load_settings

FAMILY = "fashion_recommender"
SETTINGS: dict[str, Any] = {
    "model.side": 48,
    "model.channels": [16, 32, 64, 128],
    "training.max_steps": 400,
    "training.eval_every": 200,
    "training.checkpoint_every": 200,
    "training.learning_rate": 3e-3,
    "training.metric": "loss",
    "training.greater_is_better": False,
}
WORDS: dict[str, Any] = {
    **SETTINGS,
    "training.max_steps": 200,
    "training.eval_every": 50,
    "training.checkpoint_every": 50,
}
STRENGTHS = (0.0001, 0.001, 0.01, 0.1)


def model_of(root: Path, name: str, shop: Path, settings: dict[str, Any]) -> tuple[Path, Path]:
    """The prepared folder and the trained model of a shop, made where they do not exist yet."""
    data, model = root / f"{name}_data", root / f"{name}_model"
    if not data.exists():
        prepare(FAMILY, tables(shop), data, overrides=settings)
    if not model.exists():
        train(FAMILY, data, model, overrides=settings)
    return data, model


def regression(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray) -> np.ndarray:
    """What a standardised logistic regression says; its C is chosen on a tenth of the training rows."""
    held = np.random.default_rng(7).random(len(train_y)) < 0.1

    def fitted(strength: float, kept: np.ndarray) -> Any:
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
        return linear.fit(train_x[kept], train_y[kept])

    scores = [(fitted(c, ~held).predict(train_x[held]) == train_y[held]).mean() for c in STRENGTHS]
    return fitted(STRENGTHS[int(np.argmax(scores))], np.ones(len(train_y), dtype=bool)).predict(test_x)


def histograms(pixels: np.ndarray) -> np.ndarray:
    """(photos, 512) share of the pixels in each of 8 × 8 × 8 colours."""
    cells = (pixels // 32).astype(np.int64)
    codes = (cells[:, 0] * 64 + cells[:, 1] * 8 + cells[:, 2]).reshape(len(pixels), -1)
    return np.stack([np.bincount(row, minlength=512) / len(row) for row in codes])


def clothing_figures(source: Path, model: Path) -> list[dict[str, Any]]:
    """Categories of clothing_small's validation photos."""
    sets = [pd.read_parquet(source / "clothing_small" / f"{name}.parquet") for name in ("train", "validation")]
    (train_y, test_y), jpegs = ([each["label"].to_numpy() for each in sets], [each["jpeg"].tolist() for each in sets])
    predictor = serving.load(model)
    side = predictor.settings["side"]
    pixels = [photos.read_all(each, side)[0] for each in jpegs]
    vectors = [predictor.network.photos(each) for each in pixels]
    small = [photos.read_all(each, 24)[0].reshape(len(each), -1) / 255 for each in jpegs]
    told = {
        "probe": regression(vectors[0], train_y, vectors[1]),
        "raw_pixels": regression(small[0], train_y, small[1]),
        "colour_histogram": regression(histograms(pixels[0]), train_y, histograms(pixels[1])),
    }
    right = {name: (said == test_y).astype(float) for name, said in told.items()}
    right["head"] = (head_says(model, predictor.settings["labels"], vectors[1]) == test_y).astype(float)
    most = pd.Series(train_y).value_counts().index[0]
    simple = {name: float(right[name].mean()) for name in ("raw_pixels", "colour_histogram")}
    simple["most_frequent"] = float((test_y == most).mean())
    return [
        figure(
            f"clothing_small: accuracy of the vision encoder ({what})",
            float(right[name].mean()),
            "share",
            "higher",
            interval=interval(right[name]),
            **simple,
        )
        for name, what in (("head", "its own category head"), ("probe", "logistic regression on its vectors"))
    ]


def head_says(model: Path, labels: list[str], vectors: np.ndarray) -> np.ndarray:
    """The class of each photo, by the category head among the ten classes of clothing_small."""
    from safetensors.numpy import load_file

    weights = load_file(model / "model.safetensors")
    logits = vectors * vectors.shape[1] ** 0.5 @ weights["category.weight"].T + weights["category.bias"]
    places = [place for place, label in enumerate(labels) if label.startswith(CLOTHING)]
    return np.array([labels[places[best]].removeprefix(CLOTHING) for best in logits[:, places].argmax(1)])


def rating_figures(name: str, data: Path, model: Path, *, pictures: bool) -> list[dict[str, Any]]:
    """RMSE on the test reviews, what each part takes off the mean square error, and the ranking."""
    predictor, examples = serving.load(model), rows_of.read_examples(data, "test")
    truth = examples["rating"].to_numpy(float)
    squares = (predictor.rate(examples) - truth) ** 2
    metrics = evaluate(predictor, examples).metrics
    parts = PARTS if pictures else ("text", "content")
    told = ["mean", "biases", *(f"without_{part}" for part in parts), *(f"only_{part}" for part in parts)]
    low, high = interval(squares)
    where = f"{name}: {len(truth)} test reviews"
    found = [
        figure(
            f"{where}: RMSE",
            metrics["rmse"],
            "stars",
            "lower",
            interval=(low**0.5, high**0.5),
            **{n: metrics[f"rmse_{n}"] for n in told},
        )
    ]
    against = {"biases": (Known(predictor, examples).baseline() - truth) ** 2}
    against |= {part: (predictor.rate(examples, [part]) - truth) ** 2 for part in parts}
    for part, others in against.items():
        what = "over biases" if part == "biases" else f"with {part} over without"
        gain = float((others - squares).mean())
        found.append(
            figure(f"{where}: MSE gained {what}", gain, "stars²", "higher", interval=interval(others - squares))
        )
    if "ndcg_at_10" in metrics and pictures:
        popular, what = metrics["popularity_ndcg_at_10"], f"{where}: nDCG@10 of liked products"
        found.append(figure(what, metrics["ndcg_at_10"], "share", "higher", popularity=popular))
    return found


def main() -> None:
    """Train what is missing, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=None, help="Where shops and models are kept.")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    began = time.perf_counter()
    root = arguments.models or load_settings().home.resolve() / "benchmarks" / FAMILY
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "photographed" / "reviews.parquet").exists():  # written last
        photographed(source, root / "photographed")
    data, model = model_of(root, "photographed", root / "photographed", SETTINGS)
    figures = clothing_figures(source, model)
    held_out = read_json(model / "labels.json")["photo_category_accuracy"]
    figures.append(figure("all photos, one in ten held out: category accuracy", held_out, "share", "higher"))
    figures += rating_figures("sample store", data, model, pictures=True)
    if not (root / "amazon" / "reviews.parquet").exists():
        amazon_fashion(source, root / "amazon")
    data, model = model_of(root, "amazon", root / "amazon", WORDS)
    figures += rating_figures("amazon_fashion_5core without repeats", data, model, pictures=False)
    report(FAMILY, figures, time.perf_counter() - began)


if __name__ == "__main__":
    main()

"""How good an imager is: category and likeness of what it draws, agreement with the words, copied photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vitrina.errors import DataError
from vitrina.evaluation import classification
from vitrina.evaluation.images import copied, frechet, grid
from vitrina.evaluation.report import Evaluation
from vitrina.families.layers import photos
from vitrina.families.product_imager.serving import ImagerPredictor

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.families.product_imager.drawing import Drawn
    from vitrina.training.spec import Predictor

SHOWN = 64


def evaluate(predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
    """Draw every row's prompt and measure the pictures by the model's own critic; see `MetricsModule.evaluate`.

    The critic saw photos only, but those the model trained on: figures to publish need an independent network
    (`benchmarks/product_imaging.py`).

    Raises:
        DataError: when there is no row.
    """
    import pandas as pd

    if examples.empty:
        raise DataError("There is no prompt to draw.")
    imager = cast(ImagerPredictor, predictor)
    asks = imager.asks(examples)
    drawn = imager.imager.draw_all(asks)
    wanted = [ask.category for ask in asks]
    right = np.array([each.label == label for each, label in zip(drawn, wanted, strict=True)], dtype=float)
    known = np.array([label is not None for label in wanted])
    quality = np.array([each.quality for each in drawn])
    scores = np.where(known, right, quality)
    metrics = {
        "class_accuracy": float(right[known].mean()) if known.any() else 0.0,
        "quality": float(quality.mean()),
        "agreement": _agreement(imager, drawn, [ask.prompt for ask in asks]),
        "rows": float(len(examples)),
        **_against_photos(imager, drawn, examples),
    }
    rows = pd.DataFrame({"row_id": examples["row_id"], "score": scores})
    slices = classification.slices(pd.Series(scores, index=examples.index), _by(examples, wanted))
    shown = [f"{ask.prompt}" for ask in asks[:SHOWN]]
    pictures = [each.picture for each in drawn[:SHOWN]]
    best, worst = _best_and_worst(quality)
    files = {
        "samples.png": lambda: grid(pictures, shown, scale=2),
        "good_and_bad.png": lambda: grid(
            [drawn[row].picture for row in (*best, *worst)],
            [f"{quality[row]:.2f} {asks[row].prompt}" for row in (*best, *worst)],
            scale=2,
        ),
    }
    return Evaluation(metrics, rows, slices, files=files)


def _by(examples: pd.DataFrame, wanted: list[str | None]) -> dict[str, Any]:
    import pandas as pd

    by: dict[str, Any] = {"category": pd.Series(wanted, index=examples.index, dtype=object).fillna("")}
    if "language" in examples:
        by["language"] = examples["language"].fillna("")
    return by


def _best_and_worst(quality: np.ndarray) -> tuple[list[int], list[int]]:
    order = np.argsort(-quality, kind="stable")
    return [int(row) for row in order[:8]], [int(row) for row in order[-8:]]


def _agreement(predictor: ImagerPredictor, drawn: list[Drawn], prompts: list[str]) -> float:
    """Share of (picture, other prompt) pairs where the picture's own prompt is nearer; equal prompts are left out."""
    distinct = sorted(set(prompts))
    place = {text: number for number, text in enumerate(distinct)}
    if len(distinct) < 2:
        return 1.0
    shown = np.stack([each.picture for each in drawn]).astype(np.float32) / 255
    pixels = shown[:, None] if shown.ndim == 3 else shown.transpose(0, 3, 1, 2)
    vectors = predictor.imager.judge(np.ascontiguousarray(pixels))[2]
    cosine = vectors @ predictor.imager.read(distinct).T
    own = cosine[np.arange(len(drawn)), [place[text] for text in prompts]]
    return float((cosine < own[:, None]).sum() / (len(drawn) * (len(distinct) - 1)))


def _against_photos(predictor: ImagerPredictor, drawn: list[Drawn], examples: pd.DataFrame) -> dict[str, float]:
    """Distance to the rows' own photos with that of as many training photos as floor, and copies."""
    imager = predictor.imager
    features = np.stack([each.features for each in drawn])
    known = imager.real["features"].astype(np.float32)
    held_out = imager.real["held_out"].astype(np.float32)
    found = {"copied": copied(features, held_out, known)}
    if "jpeg" not in examples or len(examples) < 2:
        return found
    channels = 3 if drawn[0].picture.ndim == 3 else 1
    pixels, readable = photos.read_all(list(examples["jpeg"]), imager.side, channels=channels)
    if readable.sum() < 2:
        return found
    real = imager.judge(pixels[readable].astype(np.float32) / 255)[0]
    some = known[np.linspace(0, len(known) - 1, min(len(known), len(features))).astype(int)]
    return {**found, "frechet": frechet(features, real), "frechet_of_photos": frechet(some, real)}

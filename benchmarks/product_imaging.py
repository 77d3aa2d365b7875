"""The product imager: class-conditional pictures of Fashion-MNIST, 32 x 32 pixels, trained on one CPU core.

The 60,000 published training photos are parted by their order: the first 45,000 are the generator's, the last 15,000
judge it. Of those, 12,000 train an independent network (the judge) for three epochs, and 3,000 are held out. The judge
tells the class of a picture, and its features measure Fréchet distances. Reported are, over 1,000 pictures (100 a
class, 20 steps of DPM-Solver++):

- the share that the judge takes for the class asked for, beside its accuracy on held-out photos (guided pictures are
  more typical than photos and can exceed it) and chance;
- the Fréchet distance to 1,000 held-out photos, with that of 1,000 of the generator's photos as floor and that of the
  held-out photos mixed half and half with noise for scale;
- copies: pictures nearer in pixels to a training photo than half of what 1% of held-out photos are, and the median
  distances of both;
- seconds and processor seconds of a picture through the served predictor, one thread.

The guidance is chosen among 1, 2 and 3 by the model's own critic on validation prompts: it never saw the judge's
photos. Needs VITRINA_DATA. The training's length is an option, so that what a machine has time for can be said.

python benchmarks/product_imaging.py [--models FOLDER] [--steps 1000]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _judge import Judge, train_judge
from _results import ROOT, figure, published, report

from vitrina.artifacts import read_json
from vitrina.data.sources.fashion_mnist import LABELS, PHOTOS, idx
from vitrina.data.sources.fashion_mnist_catalogue import KINDS
from vitrina.evaluation.images import copied, frechet, grid, nearest
from vitrina.families import catalog
from vitrina.families.product_imager import serving
from vitrina.families.product_imager.batches import Collator, Photos
from vitrina.families.product_imager.building import build_model, build_tokenizer
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.drawing import Ask
from vitrina.families.product_imager.modeling import diffused_shape
from vitrina.jobs import ingest, prepare, train
from vitrina.settings import disable_telemetry
from vitrina.training.preset import load_preset

FAMILY = "product_imager"
MINE, JUDGES = 45_000, 57_000
"""Photos before the first are the generator's; up to the second they train the judge; the rest are held out."""

EACH = 100
STEPS = 20
GUIDANCES = (1.0, 2.0, 3.0)


def settings(steps: int) -> dict[str, Any]:
    """The base preset on grey photos without styles, for so many training steps."""
    return {
        "model.validation_fraction": 0.01,
        "model.test_fraction": 0.01,
        "model.channels": 1,
        "model.style_share": 0,
        "model.max_length": 8,
        "training.max_steps": steps,
        "training.eval_every": 500,
    }


def main() -> None:
    """Train what is not there yet, measure, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, default=ROOT / ".vitrina" / "benchmarks" / "product_imaging")
    parser.add_argument("--steps", type=int, default=1000, help="training steps of 64 photos")
    arguments = parser.parse_args()
    disable_telemetry()
    began = time.perf_counter()
    source = published()
    source = Path(source) / "fashion_mnist"
    model = trained(source, arguments.models, arguments.steps)
    photos, kinds = photos_of(source)
    judge = train_judge(photos[MINE:JUDGES], kinds[MINE:JUDGES], arguments.models / "judge.safetensors")
    figures = measured(serving.load(model), judge, photos, kinds, arguments.models)
    steps = read_json(model / "metrics.json")["training"]["steps"]
    minutes = steps * seconds_a_step(arguments.models / "data") / 60
    figures.append(figure(f"processor minutes of {steps} training steps of 64 photos", minutes, "min", "lower", 60))
    report("product_imaging", figures, time.perf_counter() - began)


def trained(source: Path, folder: Path, steps: int) -> Path:
    """The model's folder, from the first part of the photos."""
    model = folder / "model"
    if (model / "manifest.json").is_file():
        return model
    paths = {}
    for table, layout in (("catalogue", "fashion_mnist_catalogue"), ("images", "fashion_mnist")):
        paths[table] = folder / "tables" / f"{table}.parquet"
        if not paths[table].is_file():
            whole = folder / "whole" / f"{table}.parquet"
            ingest(source, table, whole, layout=layout)
            paths[table].parent.mkdir(parents=True, exist_ok=True)
            pd.read_parquet(whole).head(MINE).to_parquet(paths[table], index=False)
    if not (folder / "data" / "train.parquet").is_file():
        prepare(FAMILY, paths, folder / "data", overrides=settings(steps))
    return Path(train(FAMILY, folder / "data", model, overrides=settings(steps)).model)


def seconds_a_step(data: Path) -> float:
    """Processor seconds of one training step, measured on ten; the engine's own clock counts a busy machine's waits."""
    options = load_preset(catalog.get(FAMILY), "base", settings(1)).model
    assert isinstance(options, Options)
    rows = Photos(pd.read_parquet(data / "validation.parquet"), KINDS, options)
    tokenizer = build_tokenizer(rows.texts, options)
    model = build_model(options, tokenizer, len(KINDS))
    collate = Collator(tokenizer, diffused_shape(model), options)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    average = torch.optim.swa_utils.AveragedModel(model)
    began = 0.0
    for number in range(12):
        if number == 2:  # the first ones choose kernels
            began = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**collate([rows[place] for place in range(64)])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update_parameters(model)
    return (time.process_time() - began) / 10


def photos_of(source: Path) -> tuple[np.ndarray, np.ndarray]:
    """All photos with their border, uint8 (photos, 1, 32, 32), and their classes."""
    plain = idx(source / PHOTOS)
    return np.pad(plain, ((0, 0), (2, 2), (2, 2)))[:, None], idx(source / LABELS).astype(int)


def measured(
    predictor: serving.ImagerPredictor, judge: Judge, photos: np.ndarray, kinds: np.ndarray, folder: Path
) -> list[dict[str, Any]]:
    """The figures of one model."""
    guidance = chosen_guidance(predictor)
    asks = [ask(kind, 1000 + number, guidance) for number in range(EACH) for kind in KINDS]
    wanted = np.array([KINDS.index(each.prompt) for each in asks])
    clock, processor = time.perf_counter(), time.process_time()
    drawn = np.stack([each.picture for each in predictor.imager.draw_all(asks)])[:, None]
    seconds, busy = time.perf_counter() - clock, time.process_time() - processor
    shown = grid([each[0] for each in drawn[:80]], [each.prompt for each in asks[:80]], columns=10, scale=2)
    (folder / "samples.png").write_bytes(shown)
    held, held_kinds = photos[JUDGES:], kinds[JUDGES:]
    right, right_held = judge.classes(drawn) == wanted, judge.classes(held) == held_kinds
    features, real = judge.features(drawn), judge.features(held)
    noisy = (0.5 * held + 0.5 * np.random.default_rng(0).integers(0, 255, held.shape)).astype(np.uint8)
    size = len(drawn)
    return [
        figure(
            "class accuracy of 1,000 pictures under an independent classifier",
            float(right.mean()),
            "",
            "higher",
            0.90,
            interval(right),
            held_out_photos=float(right_held.mean()),
            chance=1 / len(KINDS),
        ),
        figure(
            "lowest class accuracy of a class",
            min(float(right[wanted == kind].mean()) for kind in range(len(KINDS))),
            "",
            "higher",
            held_out_photos=min(float(right_held[held_kinds == kind].mean()) for kind in range(len(KINDS))),
        ),
        figure(
            "Fréchet distance (the judge's features) of 1,000 pictures to 1,000 held-out photos",
            frechet(features, real[:size]),
            "",
            "lower",
            floor_training_photos=frechet(judge.features(photos[:size]), real[:size]),
            floor_held_out_halves=frechet(real[size : 2 * size], real[:size]),
            half_noise=frechet(judge.features(noisy[:size]), real[:size]),
        ),
        *copies(drawn, held, photos[:MINE]),
        figure("seconds a picture, 20 guided steps, in batches of 16", seconds / size, "s", "lower"),
        figure("processor seconds a picture, 20 guided steps", busy / size, "s", "lower"),
        figure("guidance chosen on validation prompts", guidance, "", "higher"),
    ]


def copies(drawn: np.ndarray, held: np.ndarray, known: np.ndarray) -> list[dict[str, Any]]:
    """Nearest training photo of pictures and of held-out photos, in pixels 0–1."""
    plain = [each[: len(drawn)].reshape(-1, 1024).astype(np.float32) / 255 for each in (drawn, held)]
    train_pixels = known.reshape(-1, 1024).astype(np.float32) / 255
    medians = [float(np.median(nearest(each, train_pixels))) for each in plain]
    share = copied(plain[0], plain[1], train_pixels)
    smallest = [float(nearest(each, train_pixels).min()) for each in plain]
    return [
        figure("pictures that copy a training photo", share, "", "lower", 0.0),
        figure("median distance to the nearest training photo", medians[0], "", "higher", held_out_photos=medians[1]),
        figure("smallest distance to a training photo", smallest[0], "", "higher", held_out_photos=smallest[1]),
    ]


def chosen_guidance(predictor: serving.ImagerPredictor) -> float:
    """By the model's own critic: the share of right classes times likeness, on seeds that are not reported."""
    scores = {}
    for guidance in GUIDANCES:
        drawn = predictor.imager.draw_all([ask(kind, seed, guidance) for seed in range(6) for kind in KINDS])
        right = np.mean([each.label == kind for each, kind in zip(drawn, KINDS * 6, strict=True)])
        scores[guidance] = float(right) + float(np.mean([each.quality for each in drawn]))
    return max(scores, key=lambda each: scores[each])


def ask(kind: str, seed: int, guidance: float) -> Ask:
    """A picture of a class: its name is prompt and category."""
    return Ask(kind, kind, "photorealistic", seed, STEPS, guidance)


def interval(right: np.ndarray) -> tuple[float, float]:
    """95% by bootstrap."""
    rng = np.random.default_rng(0)
    means = rng.choice(right, (2000, len(right))).mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

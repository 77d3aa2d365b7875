"""Quality of the intent classifier on public sets: base preset, int8 against fp32, student against teacher.

Models train on the published training rows less 5%, which choose the weights, temperature and thresholds; figures are
measured on the published validation rows (Banking77: on 10% held out by hash). Needs VITRINA_DATA.

python benchmarks/intents.py [--sets clinc150 banking77 hwu64 snips] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _results import figure, published, report

from vitrina.artifacts import read_json
from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.data.splits import assign_splits
from vitrina.evaluation.report import ROWS
from vitrina.families.intent_classifier import serving
from vitrina.jobs import evaluate, ingest, prepare, train
from vitrina.settings import disable_telemetry

FAMILY = "intent_classifier"
ACCURACY = {"clinc150": 0.970, "banking77": 0.935, "hwu64": 0.92, "snips": 0.98}
PUBLISHED = {
    "clinc150": {"bert_base_published": 0.969},
    "banking77": {"use_convert_published": 0.9336},
    "hwu64": {},
    "snips": {},
}
CHOOSING = 0.05
STUDENT_OF = "clinc150"


def messages(source: Path, name: str, folder: Path) -> Path:
    """The set's messages with validation rows as test rows, and a share of the training rows for choosing."""
    table = folder / f"{name}.parquet"
    ingest(source / name, "messages", table, layout=name)
    rows = pd.read_parquet(table)
    published = rows["split"].replace({"validation": "test"})
    if "test" not in set(published):
        published = assign_splits(rows.assign(split=""), ["text"], {"test": 0.1}, 7)
    chosen = assign_splits(rows.assign(split=""), ["text"], {"validation": CHOOSING}, 7)
    rows["split"] = published.where(published == "test", chosen)
    tested = set(rows.loc[rows["split"] == "test", "text"].str.lower())
    leaked = (rows["split"] != "test") & rows["text"].str.lower().isin(tested)
    rows[~leaked].to_parquet(table, index=False)
    return table


def measured(data: Path, model: Path, weights: str | None = None) -> tuple[dict[str, float], np.ndarray]:
    """Metrics, and one score per test row."""
    with tempfile.TemporaryDirectory() as folder:
        result = evaluate(str(model), data, Path(folder) / "out", weights=weights)
        return result.metrics, pd.read_parquet(Path(folder) / "out" / ROWS)["score"].to_numpy()


def interval(share: float, rows: float) -> tuple[float, float]:
    """95% Wilson interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(round(share * rows), int(rows)).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def base_figures(name: str, data: Path, model: Path) -> list[dict[str, Any]]:
    """Train the base preset where `model` does not exist yet, and measure it as served and in fp32."""
    if not model.exists():
        train(FAMILY, data, model, preset="base")
    minutes = read_json(model / "metrics.json")["training"]["seconds"] / 60
    served, _ = measured(data, model)
    exact, _ = measured(data, model, "model.onnx")
    bounds = interval(served["accuracy"], served["rows"])
    figures = [
        figure(f"{name}_accuracy", served["accuracy"], "", "higher", ACCURACY[name], bounds, **PUBLISHED[name]),
        figure(f"{name}_macro_f1", served["macro_f1"], "", "higher"),
        figure(f"{name}_calibration_error", served["calibration_error"], "", "lower"),
        figure(f"{name}_behaviour", served["behaviour"], "", "higher"),
        figure(f"{name}_int8_accuracy_loss", 100 * (exact["accuracy"] - served["accuracy"]), "points", "lower", 0.3),
        figure(f"{name}_training", minutes, "minutes", "lower", 20 if name == "clinc150" else None),
    ]
    if "oos_auroc" in served:
        plain = auroc_of_confidence(data, model)
        target = 0.980
        figures.append(
            figure(f"{name}_oos_auroc", served["oos_auroc"], "", "higher", target, largest_probability=plain)
        )
        figures.append(figure(f"{name}_oos_recall", served["oos_recall"], "", "higher"))
        figures.append(figure(f"{name}_oos_false_alarms", served["oos_false_alarms"], "", "lower"))
    return figures


def auroc_of_confidence(data: Path, model: Path) -> float:
    """The baseline of out-of-scope detection: one minus the largest probability (Hendrycks and Gimpel, 2017)."""
    from sklearn.metrics import roc_auc_score

    rows = pd.read_parquet(data / "test.parquet")
    confidence = serving.load(model).predict_frame(rows)["confidence"]
    return float(roc_auc_score(rows["intent"] == OUT_OF_SCOPE, 1 - confidence))


def student_figures(data: Path, teacher: Path, student: Path) -> list[dict[str, Any]]:
    """Distil the fast preset where it does not exist yet; compare with its teacher in accuracy and in time."""
    if not student.exists():
        train(FAMILY, data, student, preset="fast", teacher=str(teacher))
    taught, taught_rows = measured(data, student)
    teaching, teaching_rows = measured(data, teacher)
    inside = (pd.read_parquet(data / "test.parquet")["intent"] != OUT_OF_SCOPE).to_numpy()
    difference = (teaching_rows - taught_rows)[inside]
    losses = 100 * difference[np.random.default_rng(7).integers(0, len(difference), (2000, len(difference)))].mean(1)
    texts = list(pd.read_parquet(data / "test.parquet")["text"][:300])
    times = {name: batch_one(folder, texts) for name, folder in (("student", student), ("teacher", teacher))}
    run, whole = ({name: time[part] for name, time in times.items()} for part in (0, 1))
    loss = 100 * (teaching["accuracy"] - taught["accuracy"])
    return [
        figure(
            "student_accuracy", taught["accuracy"], "", "higher", None, interval(taught["accuracy"], taught["rows"])
        ),
        figure("student_accuracy_loss", loss, "points", "lower", 2.5, np.quantile(losses, [0.025, 0.975])),
        figure("student_oos_auroc", taught["oos_auroc"], "", "higher", None, None, teacher=teaching["oos_auroc"]),
        figure("student_speedup_batch_1", run["teacher"] / run["student"], "x", "higher", 8, None, **run),
        figure("student_speedup_with_text", whole["teacher"] / whole["student"], "x", "higher", None, None, **whole),
    ]


def batch_one(folder: Path, texts: list[str]) -> tuple[float, float]:
    """Median milliseconds of one text, int8, one thread: the model alone, and from text to distribution."""
    predictor = serving.load(folder)
    whole = [timed(lambda text=text: predictor.predict([text])) for text in texts]
    tokens = [predictor.tokens([text]) for text in texts]
    run = [timed(lambda batch=batch: predictor.run(batch)) for batch in tokens]
    return median_ms(run), median_ms(whole)


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def median_ms(seconds: list[float]) -> float:
    """Milliseconds, without the first tenth, which warms up."""
    return 1000 * float(np.median(seconds[len(seconds) // 10 :]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(ACCURACY), default=list(ACCURACY))
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/intents"), help="kept models")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    figures = []
    for name in arguments.sets:
        work = arguments.models / name
        work.mkdir(parents=True, exist_ok=True)
        data = work / "splits"
        prepare(FAMILY, {"messages": messages(source, name, work)}, data)
        figures += base_figures(name, data, work / "base")
        if name == STUDENT_OF:
            figures += student_figures(data, work / "base", work / "student")
    report("intents", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

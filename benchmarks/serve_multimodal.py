"""Speed of `POST /ultra/multimodal/analyze` on the products of fashion_products that have a photo.

Every request has a name, a photo as base64 and asks for no vector; no product twice in a run. wrk with 8 connections
and one thread, round after round; figures are medians over the rounds, intervals their range. Prediction log and
metrics are on. `load_before` is what else the machine was busy with. Needs VITRINA_DATA and benchmarks/multimodal.py's
model, or another.

python benchmarks/serve_multimodal.py [--model FOLDER] [--rounds 5] [--seconds 6]
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from _results import ROOT, figure, report
from _services import Load, bentoml, load, posts, require_wrk

from vitrina.artifacts import read_manifest
from vitrina.families.multimodal_product.metrics import with_both
from vitrina.settings import disable_telemetry

BENTO = ROOT / "bentos" / "multimodal_product"
PATH = "/ultra/multimodal/analyze"
KEPT = Path(".vitrina/benchmarks/multimodal")
CONNECTIONS = 8


def bodies(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One request a product."""
    pairs = zip(rows["title"], rows["image"], strict=True)
    return [{"title": title, "image": base64.b64encode(image).decode()} for title, image in pairs]


def spread(name: str, values: list[float], unit: str, better: str, target: float | None = None) -> dict[str, Any]:
    """The median of the rounds, and their range."""
    return figure(name, statistics.median(values), unit, better, target, [min(values), max(values)])


def figures_of(loads: list[Load], memory: float, busy: float) -> list[dict[str, Any]]:
    """What issue 5 asks of this service."""
    return [
        spread("analyze_p99", [each.p99 for each in loads], "ms", "lower", 50),
        spread("analyze_median", [each.median for each in loads], "ms", "lower"),
        spread("analyze_requests", [each.rate for each in loads], "1/s", "higher"),
        figure("errors", sum(each.errors for each in loads), "requests", "lower", 0),
        figure("memory", memory, "MB", "lower"),
        figure("load_before", busy, "", "lower"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=KEPT / "base", help="exported model folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="length of one run of wrk")
    options = parser.parse_args()
    require_wrk()
    disable_telemetry()
    started = time.perf_counter()
    model = options.model.resolve()
    if read_manifest(model).get("family") != "multimodal_product":
        raise SystemExit(f"{model} is not a multimodal model's folder.")
    requests = bodies(with_both(pd.read_parquet(KEPT / "splits" / "test.parquet")))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        busy = os.getloadavg()[0]
        settings = {"MODEL": model, "HOME": work / "home", "REDIS_URL": ""}
        with bentoml(BENTO, "service", work / "service", settings) as running:
            load(running.port, posts(work, PATH, requests[:50]), 2, CONNECTIONS)
            shifts = [requests[number * 307 % len(requests) :] for number in range(options.rounds)]
            loads = [load(running.port, posts(work, PATH, each), options.seconds, CONNECTIONS) for each in shifts]
            memory = running.memory()
    report("serve_multimodal", figures_of(loads, memory, busy), time.perf_counter() - started)


if __name__ == "__main__":
    main()

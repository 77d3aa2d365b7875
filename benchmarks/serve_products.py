"""Speed of the product embedder's service on the names of fashion_products: embeddings, batches of 1,000, search.

Two services run at once, with and without the cache of embeddings, and are loaded in turn by wrk, round after round;
figures are medians over the rounds, intervals their range. Single embeddings: 16 connections, no name twice in a run.
Batches go to the service without a cache: from the request until the job is done. Searches are of colour, gender and
kind ("Navy Blue Men Shirts") in the index of all products, one connection; also 16. Prediction log and metrics are on.
Without --model an untrained model of the same shape is built: speed depends on the shape only. Needs VITRINA_DATA.

python benchmarks/serve_products.py [--model FOLDER] [--rounds 5] [--seconds 6]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _models import untrained_embedder
from _results import ROOT, figure, report
from _services import Load, Running, bentoml, load, posts, require_wrk

from vitrina.artifacts import folder_version, read_manifest
from vitrina.contracts.products import Product
from vitrina.settings import disable_telemetry, load_settings

BENTO = ROOT / "bentos" / "product_embedder"
BATCH = "/ultra/embeddings/batch"
CONNECTIONS = 16
QUERIES = 5000
REPEATED = 500
"""Products that the cached runs ask for again and again."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="exported model folder; default: untrained, the base preset's shape")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="length of one run of wrk")
    options = parser.parse_args()
    require_wrk()
    disable_telemetry()
    started = time.perf_counter()
    home = load_settings().home.resolve() / "benchmarks" / "serve_products"
    catalogue = fashion(home)
    products = products_in(catalogue)
    model = (options.model or untrained(home, products)).resolve()
    if read_manifest(model).get("family") != "product_embedder":
        raise SystemExit(f"{model} is not a product embedder's folder.")
    index = index_of(model, catalogue, home)
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        work = Path(temporary)
        given = {"MODEL": model, "INDEX": index, "REDIS_URL": ""}
        running = {
            name: stack.enter_context(
                bentoml(BENTO, "service", work / name, {**given, "CACHE_MB": size, "HOME": work / name / "home"})
            )
            for name, size in (("plain", 0), ("cached", 64))
        }
        busy = os.getloadavg()[0]
        bench = Bench(work, running, products, options.seconds)
        for number in range(options.rounds):
            bench.round(number)
        memory = running["cached"].memory()
    figures = [*bench.figures(), figure("memory", memory, "MB", "lower"), figure("load_before", busy, "", "lower")]
    report("serve_products", figures, time.perf_counter() - started)


def fashion(home: Path) -> Path:
    """The catalogue, ingested once."""
    from vitrina.jobs import ingest

    data = load_settings().data
    if data is None:
        raise SystemExit("VITRINA_DATA must name the folder that holds fashion_products.")
    target = home / "catalogue.parquet"
    if not target.exists():
        ingest(data / "fashion_products", "catalogue", target, layout="fashion_products")
    return target


def products_in(catalogue: Path) -> list[Product]:
    """The products, each name once, in no order."""
    import pandas as pd

    from vitrina.families.layers.products import products_of

    found = products_of(pd.read_parquet(catalogue).drop_duplicates("title"))
    random.Random(7).shuffle(found)
    return found


def untrained(home: Path, products: Sequence[Product]) -> Path:
    """A model of the shape that the base preset has."""
    folder = home / "untrained"
    return folder if folder.exists() else untrained_embedder(folder, products)


def index_of(model: Path, catalogue: Path, home: Path) -> Path:
    """The index of the catalogue by this model, built once."""
    from vitrina.jobs import index_build

    folder = home / f"index-{folder_version(model)}"
    if not (folder / "index.json").exists():
        index_build(str(model), catalogue, str(folder))
    return folder


class Bench:
    """Loads the services, round by round, and keeps what was measured."""

    def __init__(self, work: Path, running: dict[str, Running], products: Sequence[Product], seconds: int) -> None:
        self._running = running
        self._seconds = seconds
        self._products = products
        self._names = [{"product": {"title": product.title}} for product in products]
        self._repeated = posts(work, "/ai/embeddings", self._names[:REPEATED])
        self._work = work
        queries = [each for each in map(query_of, products) if each][:QUERIES]
        modes = ("hybrid", "vector", "lexical")
        self._searches = {m: posts(work, "/ai/search", [{"query": q, "mode": m} for q in queries]) for m in modes}
        self.loads: dict[str, list[Load]] = {}
        self.batches: list[float] = []

    def round(self, number: int) -> None:
        """Everything once; wrk starts at another name each time."""
        plain, cached = self._running["plain"].port, self._running["cached"].port
        names = self._names[number * 4001 % len(self._names) :]
        self._load("embedding", plain, posts(self._work, "/ai/embeddings", names))
        self._load("embedding_cached", cached, self._repeated)
        for mode, script in self._searches.items():
            self._load(f"search_{mode}", plain, script, connections=1)
        self._load("search_16", plain, self._searches["hybrid"])
        for part in range(3):
            start = (number * 3 + part) * 1000 % (len(self._products) - 1000)
            seconds = run_batch(self._running["plain"].url, [p.title for p in self._products[start : start + 1000]])
            self.batches.append(1000 / seconds)
            print("batch", round(self.batches[-1]), "products/s", file=sys.stderr)

    def _load(self, name: str, port: int, script: Path, connections: int = CONNECTIONS) -> None:
        self.loads.setdefault(name, []).append(load(port, script, self._seconds, connections))
        print(name, self.loads[name][-1], file=sys.stderr)

    def figures(self) -> list[dict[str, Any]]:
        """What issue 3 asks of this service, and what else tells how it comes about."""
        errors = sum(each.errors for loads in self.loads.values() for each in loads)
        return [
            self._figure("embedding", "p99", target=50),
            self._figure("embedding", "median"),
            self._figure("embedding", "rate"),
            self._figure("embedding_cached", "p99"),
            self._figure("embedding_cached", "rate"),
            figure("batch", statistics.median(self.batches), "products/s", "higher", 1000, _range(self.batches)),
            *(self._figure(f"search_{mode}", of) for mode in self._searches for of in ("median", "p99")),
            self._figure("search_16", "p99"),
            self._figure("search_16", "rate"),
            figure("errors", errors, "requests", "lower", 0),
        ]

    def _figure(self, name: str, of: str, target: float | None = None) -> dict[str, Any]:
        values = [getattr(each, of) for each in self.loads[name]]
        unit, better = ("1/s", "higher") if of == "rate" else ("ms", "lower")
        label = f"{name}_{'requests' if of == 'rate' else of}"
        return figure(label, statistics.median(values), unit, better, target, _range(values))


def _range(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)]


def query_of(product: Product) -> str | None:
    """What a customer would type for it: colour, gender and kind."""
    known = [product.attributes.get("colour"), product.attributes.get("gender")]
    words = [word for word in known if word and word != "None"]
    return " ".join([*words, product.category.rpartition(" > ")[2]]) if words and product.category else None


def run_batch(url: str, titles: Sequence[str]) -> float:
    """Seconds from the request until the job is done."""
    body = json.dumps({"products": [{"title": title} for title in titles]}).encode()
    began = time.perf_counter()
    job = _json(urllib.request.Request(url + BATCH, data=body, method="POST"))
    while job["status"] in ("queued", "running"):
        time.sleep(0.02)
        job = _json(urllib.request.Request(url + job["url"]))
    seconds = time.perf_counter() - began
    if job["succeeded"] != len(titles):
        raise SystemExit(f"A batch failed: {job['errors'][:3]}")
    return seconds


def _json(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


if __name__ == "__main__":
    main()

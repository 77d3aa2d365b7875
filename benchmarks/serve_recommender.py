"""Speed of the hybrid recommender's service: a sample store of 100,000 products, 20,000 users, 300,000 interactions.

Services, one after the other, loaded by wrk with 16 connections, a known user a request, live histories on, round after
round; figures are medians over the rounds, intervals their range. `linear` is what the preset of that name made of the
shop; `everything` mixes all closed-form members at once, `network` adds the network, `base` also its second look (both
untrained, of the base preset's shape: speed depends on the shape only). While `base` is loaded, 20 events a second are
posted too.
Prediction log and metrics are on, and so is the catalogue that is followed. `*_processor` is the processor time that a
request takes, all of the service's processes together: unlike the others it hardly depends on what else is running.

python benchmarks/serve_recommender.py [--models linear everything network base] [--rounds 3] [--seconds 8]
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
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _recommenders import untrained_recommender
from _results import ROOT, figure, report
from _services import Load, bentoml, load, posts, require_wrk

from vitrina.data.sample_store import Size, write_store
from vitrina.settings import disable_telemetry, load_settings

BENTO = ROOT / "bentos" / "hybrid_recommender"
SIZE = Size(products=100_000, users=20_000, interactions=300_000)
TABLES = ("catalogue", "interactions")
MODELS = ("linear", "everything", "network", "base")
CONNECTIONS = 16
ASKED = 5000
"""Different users that are asked for."""

EVENTS_EACH_SECOND = 20
OPTIONS = {"ease": {"head": 4000}, "gfcf": {"factors": 48, "neighbours": 200}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="length of one run of wrk")
    options = parser.parse_args()
    require_wrk()
    disable_telemetry()
    started = time.perf_counter()
    home = load_settings().home.resolve() / "benchmarks" / "serve_recommender"
    data = prepared(home)
    folders = {name: model(name, data, home) for name in options.models}
    busy = os.getloadavg()[0]
    bench = Bench(home, options.seconds)
    for number in range(options.rounds):
        for name, folder in folders.items():
            bench.round(name, folder, number)
    figures = [*bench.figures(), figure("load_before", busy, "", "lower")]
    report("serve_recommender", figures, time.perf_counter() - started)


def prepared(home: Path) -> Path:
    """The shop, drawn and split once."""
    from vitrina.jobs import prepare

    store, data = home / "store", home / "data"
    if not (store / "interactions.parquet").exists():
        write_store(store, SIZE, 7, only=TABLES)
    if not data.exists():
        prepare("hybrid_recommender", {name: store / f"{name}.parquet" for name in TABLES}, data, preset="linear")
    return data


def model(name: str, data: Path, home: Path) -> Path:
    """A model's folder, made once."""
    from vitrina.jobs import train

    folder = home / name
    if not folder.exists():
        if name == "linear":
            train("hybrid_recommender", data, folder, preset="linear", overrides={"model.member_options": OPTIONS})
        else:
            shape = {"neural": name != "everything", "second": name == "base"}
            untrained_recommender(folder, data, **shape, member_options=OPTIONS)
    return folder


class Bench:
    """Starts a service, loads it, and keeps what was measured."""

    def __init__(self, home: Path, seconds: int) -> None:
        self._home = home
        self._seconds = seconds
        users = random.Random(7).sample(range(1, SIZE.users + 1), ASKED)
        self._users = [f"u{number:06d}" for number in users]
        self.loads: dict[str, list[Load]] = {}
        self.processor: dict[str, list[float]] = {}
        self.memory: dict[str, float] = {}

    def round(self, name: str, folder: Path, number: int) -> None:
        """One service, warmed up for a second and loaded."""
        with tempfile.TemporaryDirectory() as temporary:
            work = Path(temporary)
            settings = {"MODEL": folder, "CATALOGUE": self._home / "store" / "catalogue.parquet"}
            with bentoml(BENTO, "service", work / name, {**settings, "HOME": work / name / "home"}) as running:
                bodies = [{"user_id": user} for user in self._users[number * 1009 % ASKED :] + self._users[:1009]]
                script = posts(work, "/ai/recommend", bodies)
                load(running.port, script, 1, CONNECTIONS)
                before = running.processor_seconds()
                with buying(running.url, self._users) if name == "base" else contextlib.nullcontext():
                    found = load(running.port, script, self._seconds, CONNECTIONS)
                used = 1000 * (running.processor_seconds() - before) / max(found.rate * self._seconds, 1)
                self.processor.setdefault(name, []).append(used)
                self.loads.setdefault(name, []).append(found)
                self.memory[name] = running.memory()
                print(name, found, round(self.memory[name]), "MB", file=sys.stderr)

    def figures(self) -> list[dict[str, Any]]:
        """What issue 4 asks of this service, and what else tells how it comes about."""
        errors = sum(each.errors for loads in self.loads.values() for each in loads)
        found = [one for name in self.loads for one in self._of(name)]
        return [*found, figure("errors", errors, "requests", "lower", 0)]

    def _of(self, name: str) -> list[dict[str, Any]]:
        loads = self.loads[name]
        values = {of: [getattr(each, of) for each in loads] for of in ("p99", "median", "rate")}
        return [
            figure(f"{name}_p99", *_middle(values["p99"], "ms", "lower", 50)),
            figure(f"{name}_median", *_middle(values["median"], "ms", "lower", None)),
            figure(f"{name}_requests", *_middle(values["rate"], "1/s", "higher", 500)),
            figure(f"{name}_processor", *_middle(self.processor[name], "ms a request", "lower", None)),
            figure(f"{name}_memory", self.memory[name], "MB", "lower"),
        ]


def _middle(
    values: Sequence[float], unit: str, better: str, target: float | None
) -> tuple[float, str, str, float | None, list[float]]:
    return statistics.median(values), unit, better, target, [min(values), max(values)]


@contextlib.contextmanager
def buying(url: str, users: Sequence[str]) -> Iterator[None]:
    """Events that arrive meanwhile."""
    over = threading.Event()

    def post() -> None:
        draw = random.Random(0)
        while not over.wait(1 / EVENTS_EACH_SECOND):
            product = f"p{draw.randrange(1, SIZE.products + 1):06d}"
            body = {"events": [{"user_id": draw.choice(users), "product_id": product, "event": "purchase"}]}
            request = urllib.request.Request(f"{url}/ai/interactions", data=json.dumps(body).encode(), method="POST")
            urllib.request.urlopen(request, timeout=30).close()

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()

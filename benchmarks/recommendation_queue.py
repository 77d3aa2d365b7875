"""The recommendation queue under load while its workers are killed: requests lost, answered twice or wrongly; delays.

redis-server, `bentoml serve` of the fashion recommender and two `vitrina work` processes run on this machine. For
`--seconds`, `--connections` callers ask one request after the other, with a pause of `--pause` seconds; every 5 seconds
the older worker gets a `kill -9`, and another is started in its place (on a machine so busy that starting takes longer,
the next kill waits until there are two again: see the number of kills). A request is lost when its answer is not 200;
doubled when the prediction log holds it more than once; wrong when its products are not those that the model alone
gives this customer. The model is the smoke preset on a small sample store: what is measured is the queue.

python benchmarks/recommendation_queue.py [--seconds 60] [--connections 16] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from _fashion_shops import NAMES, tables
from _results import figure, report

from vitrina.data.sample_store import Size, write_store
from vitrina.families.fashion_recommender import serving
from vitrina.jobs import prepare, train
from vitrina.recommendation.shelf import Asked
from vitrina.settings import disable_telemetry, load_settings

FAMILY = "fashion_recommender"
BENTO = Path(__file__).resolve().parents[1] / "bentos" / FAMILY
KILL_EVERY = 5.0
WORKERS = 2
CUSTOMERS, TOP = 300, 10


@dataclass
class Sent:
    """What the callers saw: one entry a request."""

    statuses: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0


def model_of(folder: Path) -> Path:
    """A small trained model; made where it does not exist yet."""
    if not (folder / FAMILY).exists():
        write_store(folder / "store", Size(products=500, users=CUSTOMERS, interactions=12_000), seed=7, only=NAMES)
        prepare(FAMILY, tables(folder / "store"), folder / "data", preset="smoke")
        train(FAMILY, folder / "data", folder / FAMILY, preset="smoke")
    return folder / FAMILY


def expected(model: Path) -> dict[str, list[str]]:
    """Customer → the products that the model alone gives them."""
    predictor = serving.load(model)
    users = [f"u{number:06d}" for number in range(1, CUSTOMERS + 1)]
    histories = [predictor.histories.of(user) for user in users]
    asked = [Asked(u, h, TOP, excluded=h.bought) for u, h in zip(users, histories, strict=True)]
    answers = predictor.rank(asked, predictor.shelf)
    found = zip(users, answers, strict=True)
    return {user: [predictor.shelf.ids[place] for place in ranked.places.tolist()] for user, ranked in found}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """The processes: Redis, the service, the workers."""

    def __init__(self, home: Path, model: Path) -> None:
        self.port, redis_port = free_port(), free_port()
        self.home = home
        self._model = model
        url = f"redis://127.0.0.1:{redis_port}/0"
        own = {"VITRINA_HOME": str(home), "VITRINA_REDIS_URL": url, "BENTOML_HOME": str(home / "bentoml")}
        self._env = {**os.environ, **own, "VITRINA_MODEL": str(model), "OMP_NUM_THREADS": "1"}
        self._output = (home / "output.log").open("wb")
        redis = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(home)]
        serve = ["-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(self.port)]
        self.service = [self._run(redis), self._run([sys.executable, *serve])]
        self.workers = [self.worker() for _ in range(WORKERS)]
        self.kills = 0

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=self._env, cwd=self.home, stdout=self._output, stderr=self._output)

    def worker(self) -> subprocess.Popen[bytes]:
        """One more worker."""
        return self._run([sys.executable, "-m", "vitrina", "work", FAMILY, "--model", str(self._model)])

    def kill_oldest(self) -> None:
        """`kill -9` once there are two workers, and another in its place."""
        while not self.is_up():
            time.sleep(0.1)
        oldest = self.workers.pop(0)
        oldest.send_signal(signal.SIGKILL)
        oldest.wait()
        self.kills += 1
        self.workers.append(self.worker())

    def is_up(self) -> bool:
        """Whether the service answers and all workers have their model."""
        try:
            state = httpx.get(f"http://127.0.0.1:{self.port}/recommendation/queue", timeout=10).json()
        except httpx.TransportError:
            return False
        told = "".join(f"{each['worker']} " for each in state["workers"])
        return all(f"-{process.pid}-" in told for process in self.workers)

    def stop(self) -> None:
        """End what was started here."""
        for process in [*self.workers, *reversed(self.service)]:
            process.terminate()
            process.wait(30)
        self._output.close()


@contextmanager
def running(home: Path, model: Path) -> Iterator[Running]:
    """Everything up and answering."""
    processes = Running(home, model)
    try:
        deadline = time.monotonic() + 180
        while not processes.is_up():
            assert time.monotonic() < deadline, (home / "output.log").read_text()[-2000:]
            time.sleep(0.2)
        yield processes
    finally:
        processes.stop()


async def load(processes: Running, right: dict[str, list[str]], arguments: argparse.Namespace) -> Sent:
    """Ask and kill; every request is asked once, without retries."""
    sent, end = Sent(), time.monotonic() + arguments.seconds
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{processes.port}", timeout=30) as client:

        async def caller(number: int) -> None:
            customers = np.random.default_rng(number).permutation(list(right)).tolist()
            while time.monotonic() < end:
                customers.append(customers.pop(0))
                await one(client, customers[0], right[customers[0]], sent)
                await asyncio.sleep(arguments.pause)

        async def killer() -> None:
            following = time.monotonic() + KILL_EVERY
            while following < end:
                await asyncio.sleep(max(0.0, following - time.monotonic()))
                following += KILL_EVERY
                await asyncio.to_thread(processes.kill_oldest)

        await asyncio.gather(killer(), *(caller(number) for number in range(arguments.connections)))
    return sent


async def one(client: httpx.AsyncClient, customer: str, right: list[str], sent: Sent) -> None:
    """One request, under an id of its own."""
    name = uuid.uuid4().hex
    began = time.perf_counter()
    answer = await client.get(
        "/recommendation", params={"customer_id": customer, "top": TOP}, headers={"x-request-id": name}
    )
    sent.seconds.append(time.perf_counter() - began)
    sent.statuses[name] = answer.status_code
    if answer.status_code == 200:
        body = answer.json()
        shown = [each["product_id"] for each in body["recommendations"]]
        sent.wrong += body["request_id"] != name or shown != right


def figures_of(sent: Sent, log: Path, arguments: argparse.Namespace, kills: int) -> list[dict[str, Any]]:
    """Losses and delays."""
    lines = Counter(line for line in read_logged(log))
    answered = [name for name, status in sent.statuses.items() if status == 200]
    doubled = sum(lines[name] > 1 for name in sent.statuses)
    unlogged = sum(lines[name] == 0 for name in answered)
    delays = np.array(sent.seconds) * 1000
    told = f"{WORKERS} workers, one killed every {KILL_EVERY:g} s for {arguments.seconds:g} s"
    return [
        figure(f"queue: {told}: lost", len(sent.statuses) - len(answered), "requests", "lower", 0),
        figure(f"queue: {told}: answered twice", doubled, "requests", "lower", 0),
        figure(f"queue: {told}: wrong products", sent.wrong, "requests", "lower", 0),
        figure(f"queue: {told}: answered and not logged", unlogged, "requests", "lower", 0),
        figure(f"queue: {told}: requests", len(sent.statuses), "requests", "higher"),
        figure(f"queue: {told}: kills", kills, "kills", "higher", int(arguments.seconds / KILL_EVERY) - 1),
        figure(f"queue: {told}: p50", float(np.percentile(delays, 50)), "ms", "lower"),
        figure(f"queue: {told}: p99", float(np.percentile(delays, 99)), "ms", "lower"),
        figure(f"queue: {told}: longest", float(delays.max()), "ms", "lower"),
    ]


def read_logged(log: Path) -> Iterator[str]:
    """The request id of every line of the prediction log, repeats included."""
    for path in sorted(log.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield json.loads(line)["request_id"]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.02)
    parser.add_argument("--models", type=Path, default=None, help="Where the model is kept.")
    arguments = parser.parse_args()
    disable_telemetry()
    began = time.perf_counter()
    model = model_of(arguments.models or load_settings().home.resolve() / "benchmarks" / "recommendation_queue")
    right = expected(model)
    with tempfile.TemporaryDirectory() as folder:
        with running(Path(folder), model) as processes:
            sent = asyncio.run(load(processes, right, arguments))
            time.sleep(1)  # the log is flushed every 0.2 s
        figures = figures_of(sent, Path(folder) / "predictions" / FAMILY, arguments, processes.kills)
    report("recommendation_queue", figures, time.perf_counter() - began)


if __name__ == "__main__":
    main()

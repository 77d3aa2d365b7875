"""How long `POST /ai/few-shot` takes over HTTP, behind `bentoml serve` with one worker."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from _results import ROOT

from vitrina.errors import ServiceError

PATH = "/ai/few-shot"
BENTO = ROOT / "bentos" / "few_shot_classifier"
REQUESTS = 400
CONNECTIONS = (1, 8)

Groups = dict[str, list[str]]
Figures = dict[tuple[str, int], tuple[float, float]]


def latencies(model: Path, groups: Groups) -> Figures:
    """(kind of request, connections) → median and 99th percentile in milliseconds.

    `examples`: one text and 25 examples of 5 classes in every request; `label_set`: one text for a kept set of these.
    """
    rng = np.random.default_rng(7)
    labels = [str(label) for label in rng.choice(sorted(groups), 5, replace=False)]
    classes = [{"label": label, "texts": list(rng.choice(groups[label], 5, replace=False))} for label in labels]
    texts = [str(text) for text in rng.choice(groups[labels[0]], REQUESTS)]
    bodies = {
        "examples": [json.dumps({"classes": classes, "texts": [text]}) for text in texts],
        "label_set": [json.dumps({"label_set": "five", "texts": [text]}) for text in texts],
    }
    found: Figures = {}
    with tempfile.TemporaryDirectory() as home, served(model, Path(home)) as port:
        post(HTTPConnection("127.0.0.1", port), json.dumps({"label_set": "five", "classes": classes}))
        for kind, sent in bodies.items():
            for connections in CONNECTIONS:
                load(port, sent[: REQUESTS // 10], connections)  # warms up
                taken = 1000 * load(port, sent, connections)
                found[kind, connections] = float(np.median(taken)), float(np.quantile(taken, 0.99))
    return found


def load(port: int, bodies: list[str], connections: int) -> np.ndarray:
    """Seconds of every request, sent over so many connections at once."""

    def run(part: list[str]) -> list[float]:
        connection, taken = HTTPConnection("127.0.0.1", port), []
        for body in part:
            started = time.perf_counter()
            post(connection, body)
            taken.append(time.perf_counter() - started)
        connection.close()
        return taken

    with ThreadPoolExecutor(connections) as pool:
        return np.concatenate(list(pool.map(run, [bodies[place::connections] for place in range(connections)])))


def post(connection: HTTPConnection, body: str) -> None:
    """Raises ServiceError for anything but 200."""
    connection.request("POST", PATH, body, {"content-type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise ServiceError(f"{PATH} answered {response.status}: {content.decode()[:300]}")


@contextmanager
def served(model: Path, home: Path) -> Iterator[int]:
    """The service on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(port)]
    own = {"BENTOML_HOME": str(home / "bentoml"), "VITRINA_HOME": str(home), "VITRINA_MODEL": str(model.resolve())}
    with (home / "output.log").open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **own}, stdout=output, stderr=output, cwd=home)
    try:
        while process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                break
            time.sleep(0.1)
        if process.poll() is not None:
            raise ServiceError(f"The service did not start:\n{(home / 'output.log').read_text()}")
        yield port
    finally:
        process.terminate()
        process.wait(20)

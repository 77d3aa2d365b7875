"""What `vitrina.llm.client` adds to the time of the first token, and to each token after it, against bare httpx.

The server is `transformers serve` with the tiny Granite, on this machine. Both ask the same prompts at temperature 0,
one request at a time in turn, each over a connection that stays open; the order of the two changes at every prompt.
Bare is a streamed POST, read line by line without looking into the JSON.

python benchmarks/llm_client.py [--requests 300] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from _results import ROOT, figure, report

from vitrina.llm.client import Chat, Completion, Endpoint, Sampling
from vitrina.settings import disable_telemetry

sys.path.insert(0, str(ROOT))
from tests.llm_server import LLMServer, tiny_granite_folder

SAMPLING = Sampling(max_tokens=32, temperature=0)
WARMUP, DRAWS = 10, 4000
FIGURES = [
    ("first token", 10.0),
    ("each later token", None),
    ("processor time to the first token", None),
    ("processor time of a whole answer", None),
]


class Timed(NamedTuple):
    """Milliseconds to the first piece of text, per piece after it; of this process's work to the first, and in all."""

    first: float
    each: float
    work_to_first: float
    work: float


class Clock:
    """Notes when pieces arrive."""

    def __init__(self) -> None:
        self._arrivals: list[float] = []
        self._work_to_first = 0.0
        self._started, self._worked = time.perf_counter(), time.process_time()

    def piece(self) -> None:
        """One has come."""
        if not self._arrivals:
            self._work_to_first = self._work()
        self._arrivals.append(1000 * (time.perf_counter() - self._started))

    def read(self) -> Timed:
        """After the last."""
        assert len(self._arrivals) > 1, "an answer without text"
        first, last = self._arrivals[0], self._arrivals[-1]
        return Timed(first, (last - first) / (len(self._arrivals) - 1), self._work_to_first, self._work())

    def _work(self) -> float:
        return 1000 * (time.process_time() - self._worked)


async def with_client(chat: Chat, messages: list[dict[str, str]]) -> Timed:
    """One answer through the client."""
    clock = Clock()
    async with aclosing(chat.stream(messages, SAMPLING)) as pieces:
        async for piece in pieces:
            if not isinstance(piece, Completion):
                clock.piece()
    return clock.read()


async def bare(http: httpx.AsyncClient, server: LLMServer, messages: list[dict[str, str]]) -> Timed:
    """One answer through httpx alone."""
    body = {"model": server.model, "messages": messages, "stream": True} | SAMPLING.model_dump(exclude_none=True)
    clock = Clock()
    async with http.stream("POST", f"{server.url}/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if '"content"' in line:
                clock.piece()
    return clock.read()


async def measured(server: LLMServer, requests: int) -> tuple[np.ndarray, np.ndarray]:
    """(requests, 4) milliseconds with the client and without."""
    chat = Chat(Endpoint(url=server.url, model=server.model))
    ours, theirs = [], []
    async with httpx.AsyncClient(timeout=60) as http:
        for place in range(WARMUP + requests):
            messages = [{"role": "user", "content": f"Answer with JSON: title, description. Product {place}."}]
            if place % 2:
                mine, other = await with_client(chat, messages), await bare(http, server, messages)
            else:
                other, mine = await bare(http, server, messages), await with_client(chat, messages)
            if place >= WARMUP:
                ours.append(mine)
                theirs.append(other)
    await chat.close()
    return np.array(ours), np.array(theirs)


def _added(name: str, ours: np.ndarray, theirs: np.ndarray, target: float | None) -> dict[str, Any]:
    """The difference of the medians; its 95% interval by bootstrap over the prompts."""
    rows = np.random.default_rng(0).integers(len(ours), size=(DRAWS, len(ours)))
    drawn = np.median(ours[rows], axis=1) - np.median(theirs[rows], axis=1)
    low, high = (float(bound) for bound in np.quantile(drawn, [0.025, 0.975]))
    mine, other = float(np.median(ours)), float(np.median(theirs))
    return figure(
        f"{name}: added by the client", mine - other, "ms", "lower", target, (low, high), client=mine, bare=other
    )


def main() -> None:
    disable_telemetry()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--models", type=Path, default=ROOT / ".vitrina/benchmarks/llm")
    options = parser.parse_args()
    options.models.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as state:
        server = LLMServer(tiny_granite_folder(options.models), Path(state))
        try:
            ours, theirs = asyncio.run(measured(server.start(), options.requests))
        finally:
            server.stop()
    figures = [
        _added(name, ours[:, column], theirs[:, column], target) for column, (name, target) in enumerate(FIGURES)
    ]
    print(report("llm_client", figures, time.perf_counter() - started))


if __name__ == "__main__":
    main()

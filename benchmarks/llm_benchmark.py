"""`vitrina llm benchmark` against two other measurements of the same server: guidellm by its own command and figures,
and an independent one with the assistant's client and this process's clock.

The server is `transformers serve` with the tiny Granite, whose tokens a proxy hands on at the pace of a GPU
(`_paced_server.py`): on a shared machine the processor's speed would be measured, and that changes every second. All
three measure at the same time, one stream each, the same lengths of prompt and answer; compared are the medians over
the time that they have in common.

python benchmarks/llm_benchmark.py [--requests 80] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from _results import ROOT, figure, report

from vitrina.artifacts import read_json
from vitrina.llm.benchmark.environment import guidellm
from vitrina.llm.benchmark.load import Objective
from vitrina.llm.benchmark.measures import Run, measure, read_run
from vitrina.llm.client import Chat, Completion, Endpoint, Sampling
from vitrina.settings import disable_telemetry

sys.path.insert(0, str(ROOT))
from tests.llm_server import LLMServer, free_port, tiny_granite_folder

PROMPT, TOKENS, WARMUP, DRAWS = 64, 24, 5, 2000
WORDS = ["red", "blue", "wool", "shirt", "shoes", "bag", "lamp", "table", "green", "cotton", "cup", "oak"]
NAMES = {"ttft": "time to the first token", "itl": "time between tokens", "e2e": "whole answer"}


class Served(NamedTuple):
    """Where the model is, its name there, its folder."""

    url: str
    model: str
    folder: Path


class Seen(NamedTuple):
    """One request: when it began and ended (clock time), and milliseconds."""

    started: float
    ended: float
    ttft: float
    itl: float
    e2e: float


async def ours(server: Served, folder: Path, requests: int) -> None:
    """`vitrina llm benchmark`."""
    command = [sys.executable, "-m", "vitrina", "llm", "benchmark", server.url, "--model", server.model]
    command += ["--level", "1", "--requests", str(requests), "--warmup", str(WARMUP), "--seconds", "400"]
    command += ["--prompt-tokens", str(PROMPT), "--tokenizer", str(server.folder)]
    command += ["--max-tokens", str(TOKENS), "--temperature", "0", "--output", str(folder / "ours")]
    await _run(command, ROOT)


async def theirs(server: Served, folder: Path, requests: int) -> None:
    """guidellm's own command."""
    body = Sampling(temperature=0).model_dump(exclude={"max_tokens"}, exclude_none=True)
    backend = {"kind": "openai_http", "target": server.url, "model": server.model, "max_tokens": TOKENS}
    options: dict[str, dict[str, Any]] = {
        "--backend": backend | {"extras": {"body": body}},
        "--profile": {"kind": "synchronous"},
        "--constraint": {"kind": "max_requests", "count": WARMUP + requests},
        "--data": {"kind": "synthetic_text", "prompt_tokens": PROMPT},
        "--tokenizer": {"kind": "huggingface_auto", "model": str(server.folder)},
        "--output": {"kind": "json", "path": str(folder / "guidellm.json")},
    }
    command = [str(guidellm()), "run", "--disable-console"]
    await _run([*command, *(part for name, value in options.items() for part in (name, json.dumps(value)))], folder)


async def _run(command: list[str], folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed:\n{said.decode()[-2000:]}")


async def independent(server: Served, others: asyncio.Future[Any]) -> list[Seen]:
    """What the assistant's client sees, one stream after another, until the others are done."""
    chat = Chat(Endpoint(url=server.url, model=server.model, retries=0))
    rng = np.random.default_rng(7)
    seen = []
    try:
        while not others.done():
            words = " ".join(rng.choice(WORDS, PROMPT // 2))
            seen.append(await _streamed(chat, [{"role": "user", "content": words}]))
    finally:
        await chat.close()
    return seen


async def _streamed(chat: Chat, messages: list[dict[str, str]]) -> Seen:
    began, started = time.time(), time.perf_counter()
    times, tokens = [], 0
    async for piece in chat.stream(messages, Sampling(temperature=0, max_tokens=TOKENS)):
        if isinstance(piece, Completion):
            tokens = piece.usage.completion_tokens
        else:
            times.append(time.perf_counter())
    took = time.perf_counter() - started
    return Seen(
        began, began + took, 1e3 * (times[0] - started), 1e3 * (times[-1] - times[0]) / (tokens - 1), 1e3 * took
    )


async def all_at_once(server: Served, folder: Path, requests: int) -> list[Seen]:
    """Run the three; what the client saw."""
    others = asyncio.gather(ours(server, folder, requests), theirs(server, folder, requests))
    seen = await independent(server, others)
    await others
    return seen


@contextmanager
def served(model: Path, state: Path) -> Iterator[Served]:
    """The tiny model behind the proxy."""
    server, port = LLMServer(model, state).start(), free_port()
    script = str(ROOT / "benchmarks" / "_paced_server.py")
    proxy = subprocess.Popen([sys.executable, script, server.root, str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/health", timeout=5).raise_for_status()
                break
            time.sleep(0.2)
        yield Served(f"{url}/v1", server.model, model)
    finally:
        proxy.terminate()
        proxy.wait()
        server.stop()


def their_requests(path: Path) -> list[Seen]:
    """guidellm's requests, with its own figures of each."""
    return [
        Seen(
            each["request_start_time"],
            each["request_end_time"],
            each["time_to_first_token_ms"],
            each["inter_token_latency_ms"],
            1e3 * each["request_latency"],
        )
        for each in read_json(path)["benchmarks"][0]["requests"]["successful"]
        if each["output_tokens"] > 1
    ]


def together(run: Run, *others: list[Seen]) -> tuple[Run, list[list[Seen]]]:
    """What began and ended while all measured."""
    start = max(run.start, *(each[WARMUP].started for each in others))
    end = min(run.end, *(each[-1].ended for each in others))
    ours = [each for each in run.answered if each.started >= start and each.ended <= end and each.itl_ms]
    return Run(start, end, ours, [], []), [
        [each for each in group if each.started >= start and each.ended <= end] for group in others
    ]


def difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, list[float]]:
    """|ratio of the medians − 1|, and the 95% bootstrap interval of the ratio less 1."""
    rng = np.random.default_rng(7)
    drawn = [
        np.median(rng.choice(ours, len(ours))) / np.median(rng.choice(theirs, len(theirs))) - 1 for _ in range(DRAWS)
    ]
    return abs(float(np.median(ours) / np.median(theirs)) - 1), [
        float(each) for each in np.percentile(drawn, (2.5, 97.5))
    ]


def figures_of(run: Run, others: Mapping[str, list[Seen]]) -> list[dict[str, Any]]:
    """The difference of each median from each of the others; ours are those that a report shows."""
    level = measure(run, "concurrent", 1, Objective())
    shown = {"ttft": level.ttft_ms["p50"].value, "itl": level.itl_ms["p50"].value, "e2e": level.e2e_ms["p50"].value}
    values = {
        "ttft": np.array([each.ttft_ms for each in run.answered]),
        "itl": np.array([each.itl_ms for each in run.answered]),
        "e2e": np.array([each.e2e_ms for each in run.answered]),
    }
    figures = []
    for short, words in NAMES.items():
        for other, group in others.items():
            theirs = np.array([getattr(each, short) for each in group])
            apart, interval = difference(values[short], theirs)
            who = "guidellm's own command" if other == "guidellm" else "an independent client"
            medians = {"ours_ms": round(shown[short], 3), f"{other}_ms": round(float(np.median(theirs)), 3)}
            counted = {"ours_requests": len(run.answered), f"{other}_requests": len(group)}
            name = f"median {words}, difference from {who}"
            figures.append(figure(name, apart, "share", "lower", 0.10, interval, **medians, **counted))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=80)
    parser.add_argument("--models", type=Path, default=ROOT / ".vitrina" / "benchmarks" / "llm_benchmark")
    options = parser.parse_args()
    disable_telemetry()
    guidellm()
    options.models.mkdir(parents=True, exist_ok=True)
    model = tiny_granite_folder(options.models)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with served(model, state) as server:
            client = asyncio.run(all_at_once(server, state, options.requests))
        run = read_run(state / "ours" / "concurrent-1" / "report.json")
        run, (theirs, client) = together(run, their_requests(state / "guidellm.json"), client)
    report("llm_benchmark", figures_of(run, {"guidellm": theirs, "client": client}), time.perf_counter() - started)


if __name__ == "__main__":
    main()

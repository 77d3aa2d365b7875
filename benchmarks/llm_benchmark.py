"""`vitrina llm benchmark` against two other measurements of the same server: guidellm by its own command, warm-up and
statistics, and an independent one with the assistant's client and this process's clock.

The server is `transformers serve` with the tiny Granite, on this machine, one stream; all three ask the same prompts at
temperature 0. They take turns, in another order each round, since a shared machine is never the same for long; what is
compared is the mean over the rounds of the medians that each reports.

python benchmarks/llm_benchmark.py [--rounds 4] [--requests 40] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _results import ROOT, figure, report

from vitrina.artifacts import read_json
from vitrina.llm.benchmark.environment import guidellm
from vitrina.llm.client import Chat, Completion, Endpoint, Sampling
from vitrina.settings import disable_telemetry

sys.path.insert(0, str(ROOT))
from tests.llm_server import LLMServer, tiny_granite_folder

TOKENS, WARMUP = 48, 5
NAMES = {"ttft": "time to the first token", "itl": "time between tokens", "e2e": "whole answer"}
Medians = dict[str, float]
"""`ttft`, `itl`, `e2e` → milliseconds."""


def ours(server: LLMServer, folder: Path, requests: int) -> Medians:
    """What `vitrina llm benchmark` reports."""
    command = [sys.executable, "-m", "vitrina", "llm", "benchmark", server.url, "--model", server.model, "--json"]
    command += ["--level", "1", "--requests", str(requests), "--warmup", str(WARMUP), "--output", str(folder)]
    command += ["--max-tokens", str(TOKENS), "--temperature", "0"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    level = json.loads(said)["levels"][0]
    return {
        "ttft": level["ttft_ms"]["p50"]["value"],
        "itl": level["itl_ms"]["p50"]["value"],
        "e2e": level["e2e_ms"]["p50"]["value"],
    }


def theirs(server: LLMServer, folder: Path, requests: int) -> Medians:
    """What guidellm reports."""
    sampling = Sampling(temperature=0)
    body = sampling.model_dump(exclude={"max_tokens"}, exclude_none=True)
    backend = {"kind": "openai_http", "target": server.root, "model": server.model, "max_tokens": TOKENS}
    options = {
        "--backend": backend | {"extras": {"body": body}},
        "--profile": {"kind": "concurrent", "streams": 1, "warmup": {"mode": "requests", "value": WARMUP}},
        "--constraint": {"kind": "max_requests", "count": WARMUP + requests},
        "--data": {"kind": "json_file", "path": str(prompts_of(folder))},
        "--output": {"kind": "json", "path": str(folder / "guidellm.json")},
    }
    command = [str(guidellm()), "run", "--disable-console"]
    command += [part for name, value in options.items() for part in (name, json.dumps(value))]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    metrics = read_json(folder / "guidellm.json")["benchmarks"][0]["metrics"]
    names = {"ttft": "time_to_first_token_ms", "itl": "inter_token_latency_ms", "e2e": "request_latency"}
    found = {short: metrics[name]["successful"]["median"] for short, name in names.items()}
    return found | {"e2e": 1000 * found["e2e"]}


def independent(server: LLMServer, folder: Path, requests: int) -> Medians:
    """What the assistant's client sees: one stream after another."""
    lines = prompts_of(folder).read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["messages"] for line in lines[: WARMUP + requests]]
    seen = asyncio.run(_streamed(server, prompts))[WARMUP:]
    return {name: float(np.median([each[name] for each in seen])) for name in NAMES}


async def _streamed(server: LLMServer, prompts: list[list[dict[str, str]]]) -> list[Medians]:
    chat = Chat(Endpoint(url=server.url, model=server.model, retries=0))
    seen = []
    try:
        for messages in prompts:
            started = time.perf_counter()
            times, tokens = [], 0
            async for piece in chat.stream(messages, Sampling(temperature=0, max_tokens=TOKENS)):
                if isinstance(piece, Completion):
                    tokens = piece.usage.completion_tokens
                else:
                    times.append(time.perf_counter())
            ended = time.perf_counter()
            first, last = times[0], times[-1]
            itl = (last - first) / (tokens - 1)
            seen.append({"ttft": 1e3 * (first - started), "itl": 1e3 * itl, "e2e": 1e3 * (ended - started)})
    finally:
        await chat.close()
    return seen


def prompts_of(folder: Path) -> Path:
    """The prompts that `vitrina llm benchmark` asked in a folder."""
    return folder / "concurrent-1" / "prompts.jsonl"


MEASURES: dict[str, Callable[[LLMServer, Path, int], Medians]] = {
    "ours": ours,
    "guidellm": theirs,
    "client": independent,
}


def measured(server: LLMServer, folder: Path, rounds: int, requests: int) -> dict[str, list[Medians]]:
    """The medians of every round; the first one begins with ours, whose prompts the others ask."""
    found: dict[str, list[Medians]] = {name: [] for name in MEASURES}
    order = list(MEASURES)
    for number in range(rounds):
        for name in order:
            found[name].append(MEASURES[name](server, folder, requests))
            shown = {short: round(value, 2) for short, value in found[name][-1].items()}
            print(f"round {number + 1}, {name}: {shown}", file=sys.stderr)
        order = [*order[1:], order[0]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--models", type=Path, default=ROOT / ".vitrina" / "benchmarks" / "llm_benchmark")
    options = parser.parse_args()
    disable_telemetry()
    started = time.perf_counter()
    options.models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        server = LLMServer(tiny_granite_folder(options.models), state).start()
        try:
            found = measured(server, state, options.rounds, options.requests)
        finally:
            server.stop()
    means = {
        name: {short: float(np.mean([each[short] for each in rounds])) for short in NAMES}
        for name, rounds in found.items()
    }
    figures = [
        figure(
            f"median {words}: difference from {'guidellm itself' if other == 'guidellm' else 'an independent client'}",
            abs(means["ours"][short] / means[other][short] - 1),
            "share",
            "lower",
            0.10,
            ours_ms=round(means["ours"][short], 3),
            **{f"{other}_ms": round(means[other][short], 3)},
        )
        for short, words in NAMES.items()
        for other in ("guidellm", "client")
    ]
    report("llm_benchmark", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

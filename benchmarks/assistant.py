"""What the assistant costs, and whether its streams hold: time to the first token against calling the same server
directly, and 64 streams at once.

The language model is the tiny Granite under `transformers serve`, which answers one request after the other; the
assistant is `bentoml serve` with one worker, a key and a budget. For the first figure the same prompt, rendered by the
same code, is sent to either in turn, in changing order, over connections that are kept open. For the second a proxy
puts a marker of its prompt in place of each piece that the model says: every stream must hold its own pieces, all of
them, in order. Milliseconds are lost wherever a process waits for a core: run it on a machine with nothing else to do.

python benchmarks/assistant.py [--pairs 200] [--rounds 3] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from _results import ROOT, figure, report
from _services import bentoml

from vitrina.llm.prompts.prompt import built_in
from vitrina.llm.prompts.rendering import render
from vitrina.llm.prompts.variables import DescribeInputs, ProductFacts
from vitrina.settings import disable_telemetry

sys.path.insert(0, str(ROOT))
from tests.assistant_services import Marking
from tests.listening import listening
from tests.llm_server import LLMServer, tiny_granite_folder

PATH = "/ai/assistant/describe"
STREAMS, WARMUP, DRAWS = 64, 20, 2000
TARGET_MS = 10.0
PATIENT = {"ASSISTANT_SECONDS": 300, "ASSISTANT_FIRST_TOKEN_SECONDS": 300, "ASSISTANT_RUNNING": STREAMS}
"""The server answers one stream after the other: the last of 64 waits for all."""
KEYED = {"API_KEYS": "benchmark-key", "ASSISTANT_TOKENS_PER_DAY": 10**9}
HEADERS = {"x-api-key": KEYED["API_KEYS"]}


class Pair(NamedTuple):
    """Milliseconds to the first token of the same request, either way."""

    direct: float
    assistant: float


async def lines_of(client: httpx.AsyncClient, path: str, body: Any) -> AsyncIterator[str]:
    """The `data:` lines of a stream."""
    async with client.stream("POST", path, json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield line.removeprefix("data: ")


async def first_token(client: httpx.AsyncClient, path: str, body: Any) -> float:
    """Milliseconds until the first line that holds text; the rest is read too, so that the connection can be kept."""
    started, found = time.perf_counter(), 0.0
    async for line in lines_of(client, path, body):
        if not found and says_something(json.loads(line)):
            found = 1e3 * (time.perf_counter() - started)
    return found


def says_something(data: Any) -> bool:
    """Whether an event of either stream holds text."""
    if "choices" in data:
        return any(choice["delta"].get("content") for choice in data["choices"])
    return bool(data.get("text"))


async def pairs(server: LLMServer, assistant: str, count: int) -> list[Pair]:
    """The same requests to the server and to the assistant, in turn."""
    prompt, seen = built_in("describe"), []
    async with (
        httpx.AsyncClient(base_url=assistant, headers=HEADERS, timeout=300) as ours,
        httpx.AsyncClient(timeout=300) as theirs,
    ):
        for number in range(WARMUP + count):
            product = {"title": f"Oak table number {number}", "attributes": {"colour": "brown"}}
            inputs = DescribeInputs(product=ProductFacts(**product), language="en")
            sampling = prompt.sampling.model_copy(update={"max_tokens": 4, "temperature": 0.0})
            asked = sampling.model_dump(exclude_none=True)
            wanted = {"model": server.model, "messages": render(prompt, inputs, form="text"), "stream": True} | asked
            body = {"product": product, "language": "en", "stream": True, "sampling": asked}
            order = ("direct", "assistant") if number % 2 else ("assistant", "direct")
            took = {
                who: await (
                    first_token(theirs, f"{server.url}/chat/completions", wanted)
                    if who == "direct"
                    else first_token(ours, PATH, body)
                )
                for who in order
            }
            seen.append(Pair(**took))
    return seen[WARMUP:]


async def at_once(assistant: str, offset: int) -> list[list[str] | None]:
    """What each of the streams said, piece by piece; None: it did not end as it should."""

    async def one(client: httpx.AsyncClient, marker: str) -> list[str] | None:
        body = {"product": {"title": f"Lamp {marker}"}, "language": "en", "stream": True}
        said, done = [], None
        try:
            async for line in lines_of(client, PATH, body | {"sampling": {"max_tokens": 40}}):
                data = json.loads(line)
                said += data.get("text", "").split()
                done = data.get("answer", done)
        except (httpx.HTTPError, json.JSONDecodeError):
            return None
        return said if done and done["description"].split() == said else None

    limits = httpx.Limits(max_connections=STREAMS)
    async with httpx.AsyncClient(base_url=assistant, headers=HEADERS, timeout=300, limits=limits) as client:
        return await asyncio.gather(*(one(client, f"marker-{offset + number}") for number in range(STREAMS)))


def overhead(seen: list[Pair]) -> dict[str, Any]:
    """How much later the first token comes: median of the differences, with its bootstrap interval."""
    differences = np.array([each.assistant - each.direct for each in seen])
    rng = np.random.default_rng(7)
    drawn = [np.median(rng.choice(differences, len(differences))) for _ in range(DRAWS)]
    medians = {
        "direct_p50": float(np.median([each.direct for each in seen])),
        "assistant_p50": float(np.median([each.assistant for each in seen])),
        "difference_p90": float(np.percentile(differences, 90)),
        "pairs": len(seen),
    }
    name = "time to the first token, later than the server itself (median)"
    interval = np.percentile(drawn, (2.5, 97.5))
    return figure(name, float(np.median(differences)), "ms", "lower", TARGET_MS, interval, **medians)


def streams(said: dict[str, list[str]], heard: list[list[str] | None]) -> list[dict[str, Any]]:
    """Streams that did not end, or that are not what was said to them."""
    dropped = sum(each is None for each in heard)
    mixed = sum(each is not None and each != said[f"marker-{number}"] for number, each in enumerate(heard))
    pieces = sum(map(len, said.values()))
    return [
        figure(f"streams dropped, {STREAMS} at once", dropped, "streams", "lower", 0, streams=len(heard)),
        figure(f"streams mixed or torn, {STREAMS} at once", mixed, "streams", "lower", 0, pieces=pieces),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=Path, default=ROOT / ".vitrina" / "benchmarks" / "llm_benchmark")
    options = parser.parse_args()
    disable_telemetry()
    options.models.mkdir(parents=True, exist_ok=True)
    model = tiny_granite_folder(options.models)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work, bento = Path(folder), ROOT / "bentos" / "assistant"
        server = LLMServer(model, work).start()
        try:
            settings = {**PATIENT, **KEYED, "HOME": work / "home", "LLM_URL": server.url}
            with bentoml(bento, "service", work / "alone", settings) as running:
                figures = [overhead(asyncio.run(pairs(server, running.url, options.pairs)))]
            proxy = Marking(server)
            with listening(proxy.application()) as root:
                settings |= {"LLM_URL": f"{root}/v1"}
                with bentoml(bento, "service", work / "marked", settings) as running:
                    heard = [
                        each
                        for number in range(options.rounds)
                        for each in asyncio.run(at_once(running.url, number * STREAMS))
                    ]
            figures += streams(proxy.said, heard)
        finally:
            server.stop()
    report("assistant", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()

"""The whole benchmark: the server is asked once, each level is run and measured, the promise is judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from vitrina.errors import ServiceError, UsageError
from vitrina.llm.benchmark import dataset, engine
from vitrina.llm.benchmark.environment import guidellm
from vitrina.llm.benchmark.load import Load, Objective, title
from vitrina.llm.benchmark.measures import Level, measure, read_run
from vitrina.llm.benchmark.watch import Watch
from vitrina.llm.client import Chat, Endpoint, Sampling

Tell = Callable[[str], None]


class Verdict(BaseModel):
    """Whether the promise is kept, the highest level that keeps it (None: none does), and why, in words."""

    model_config = ConfigDict(frozen=True)

    met: bool
    highest: float | None
    words: str


class Report(BaseModel):
    """All that a benchmark found; `benchmark.json` is this."""

    model_config = ConfigDict(frozen=True)

    url: str
    model: str
    made: str
    prompts: str
    load: Load
    objective: Objective
    levels: list[Level]
    verdict: Verdict


def sweep(
    endpoint: Endpoint,
    load: Load,
    folder: Path,
    *,
    objective: Objective | None = None,
    products: Sequence[Mapping[str, Any]] = (),
    tokenizer: str | None = None,
    dcgm: str | None = None,
    tell: Tell = lambda words: None,
) -> Report:
    """Run every level, one after the other; guidellm's reports stay in `folder/<level>/report.json`.

    A level that the server answers nothing of is reported and ends the sweep.

    Args:
        products: whose descriptions are asked for; not with `load.prompt_tokens`.
        tokenizer: counts synthetic prompts: a folder or a hub id; default: the model's own name.
        dcgm: address of a DCGM exporter's metrics.
        tell: hears what is going on.

    Raises:
        LLMUnavailable, LLMRefused: the server is away, or refuses the key or the model.
        ServiceError: guidellm cannot be installed or fails, or nothing was answered at all.
    """
    wanted = objective or Objective()
    if load.prompt_tokens is None and not products:
        raise UsageError("A benchmark needs products to ask about, or the length of synthetic prompts.")
    tell("asking the server")
    with ThreadPoolExecutor(1) as aside:  # a notebook's own thread has an event loop that runs already
        asked = aside.submit(asyncio.run, _greeted(endpoint)).result()
    command = guidellm()
    levels: list[Level] = []
    for place, value in enumerate(load.steps):
        name = f"{title(load.arrivals, value)} ({place + 1} of {len(load.steps)})"
        tell(name)
        level_folder = folder / f"{load.arrivals}-{value:g}"
        level_folder.mkdir(parents=True, exist_ok=True)
        prompts = _prompts(level_folder, load, place, products, tokenizer or asked.model or "")
        report = level_folder / "report.json"
        made = engine.scenario(load, place, asked, prompts, report.absolute())
        with Watch(asked.url, asked.key, dcgm=dcgm) as watch:
            engine.run(command, made, asked, level_folder, load.seconds, partial(_heard, tell, name))
        levels.append(_measured(report, watch, load, value, wanted))
        if not levels[-1].requests:
            break
    if not any(level.requests for level in levels):
        why = next(iter(levels[0].errors), f"nothing was answered within {load.seconds:g} seconds")
        raise ServiceError(f"{asked.url} answered no request of the benchmark: {why.rstrip('.')}.")
    return Report(
        url=asked.url,
        model=asked.model or "",
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        prompts=f"synthetic, {load.prompt_tokens} tokens" if load.prompt_tokens else f"of {len(products):,} products",
        load=load,
        objective=wanted,
        levels=levels,
        verdict=judge(levels, wanted),
    )


def _measured(report: Path, watch: Watch, load: Load, value: float, objective: Objective) -> Level:
    """What guidellm's report says of a level, with what server and GPUs said meanwhile."""
    run = read_run(report)
    server, gpu = watch.between(run.start, run.end)
    found = measure(run, load.arrivals, value, objective, load.seed)
    return found.model_copy(update={"server": server, "gpu": gpu})


def _heard(tell: Tell, name: str, said: str) -> None:
    tell(f"{name}: {said}")


def judge(levels: Sequence[Level], objective: Objective) -> Verdict:
    """The promise is kept when a level holds at which more requests than promised were under way at once."""
    holding = [level for level in levels if level.holds]
    promise = f"first token within {objective.ttft_ms:g} ms and {objective.tokens_per_second:g} tokens/s a stream"
    if not holding:
        best = max(levels, key=lambda level: level.good)
        return Verdict(
            met=False, highest=None, words=f"No level holds ({promise}): at best {best.good:.0%}, with {best.title}."
        )
    highest = max(holding, key=lambda level: level.concurrency)
    met = highest.concurrency > objective.concurrency
    words = (
        f"Holds up to {highest.title} ({promise}): {highest.good:.0%} of the requests, {highest.goodput:.3g} a second"
    )
    more = "" if met else f", but more than {objective.concurrency:g} at once were asked for"
    return Verdict(met=met, highest=highest.level, words=f"{words}{more}.")


def _prompts(folder: Path, load: Load, place: int, products: Sequence[Mapping[str, Any]], tokenizer: str) -> Path | str:
    if load.prompt_tokens is not None:
        return tokenizer
    path = folder / "prompts.jsonl"
    dataset.write_prompts(path, products, load, place)
    return path.absolute()


async def _greeted(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its model's name, after one short answer: errors come now, and the model is loaded."""
    chat = Chat(endpoint)
    try:
        model = endpoint.model or next(iter(await chat.models()), None)
        if model is None:
            raise UsageError(f"{endpoint.url} lists no model; name one with --model.")
        await chat.complete([{"role": "user", "content": "Hello"}], Sampling(max_tokens=1))
    finally:
        await chat.close()
    return endpoint.model_copy(update={"model": model})

"""What the requests of a level say: percentiles with intervals, throughput, goodput."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from vitrina.artifacts import read_json
from vitrina.errors import ServiceError
from vitrina.llm.benchmark.load import Objective, title

DRAWS = 1000
WRAPPED = re.compile(r"""^\w+\((?P<quote>["'])(?P<said>.*?)(?P=quote),?\)$""", re.S)
REPORT_VERSION = 2  # of guidellm's JSON


class Request(NamedTuple):
    """One request as guidellm saw it: clock times in seconds, latencies in milliseconds, None where there is none."""

    started: float
    ended: float
    ttft_ms: float | None
    itl_ms: float | None
    prompt_tokens: int
    output_tokens: int
    late_ms: float | None
    error: str | None = None

    @property
    def e2e_ms(self) -> float:
        """From the first byte sent to the last one received."""
        return 1000 * (self.ended - self.started)

    @property
    def speed(self) -> float | None:
        """Tokens a second, after the first."""
        return 1000 / self.itl_ms if self.itl_ms else None


class Run(NamedTuple):
    """A level as it was run: `start` and `end` bound what is measured, after the warm-up."""

    start: float
    end: float
    answered: list[Request]
    failed: list[Request]
    cut: list[Request]  # still running when enough were answered

    @property
    def measured(self) -> list[Request]:
        """Answered requests that began after the warm-up."""
        return [each for each in self.answered if each.started >= self.start]


class Estimate(BaseModel):
    """A percentile and its 95% bootstrap interval over requests."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float


class Level(BaseModel):
    """One level's figures. Distributions map `p50`, `p90` … to estimates; those too rare to be seen are not there."""

    model_config = ConfigDict(frozen=True)

    level: float
    title: str
    requests: int
    errors: dict[str, int]
    cut: int
    seconds: float
    concurrency: float
    requests_per_second: float
    tokens_per_second: float
    prompt_tokens: float
    output_tokens: float
    ttft_ms: dict[str, Estimate]
    itl_ms: dict[str, Estimate]
    e2e_ms: dict[str, Estimate]
    stream_tokens_per_second: dict[str, Estimate]
    late_ms: dict[str, Estimate]
    good: float
    good_interval: tuple[float, float]
    goodput: float
    holds: bool
    server: dict[str, float] | None = None
    gpu: dict[str, float] | None = None


def read_run(path: Path) -> Run:
    """Read guidellm's report of one level.

    Raises:
        ServiceError: another version's report, or one without a benchmark.
    """
    content = read_json(path)
    version = content.get("metadata", {}).get("version")
    if version != REPORT_VERSION:
        raise ServiceError(f"guidellm wrote a report of version {version}; version {REPORT_VERSION} can be read here.")
    if len(content["benchmarks"]) != 1:
        raise ServiceError(f"guidellm reports {len(content['benchmarks'])} benchmarks in {path}, not one.")
    benchmark = content["benchmarks"][0]
    groups = {
        name: [_request(each) for each in benchmark["requests"][name] or () if each["info"]["timings"]["request_start"]]
        for name in ("successful", "errored", "incomplete")
    }
    return Run(benchmark["start_time"], benchmark["end_time"], *groups.values())


def _request(each: dict[str, Any]) -> Request:
    delay = each["request_dispatch_delay"]
    return Request(
        started=each["request_start_time"],
        ended=each["request_end_time"],
        ttft_ms=each["time_to_first_token_ms"],
        itl_ms=each["inter_token_latency_ms"],
        prompt_tokens=each["prompt_tokens"] or 0,
        output_tokens=each["output_tokens"] or 0,
        late_ms=None if delay is None else 1000 * delay,
        error=_plain(each["info"]["error"]),
    )


def _plain(error: str | None) -> str | None:
    """Without what guidellm adds to an error's words: `HTTPStatusError("Client error '429 …' for url '…'")`."""
    if error is None:
        return None
    words = WRAPPED.sub(r"\g<said>", error.strip())
    return re.split(r"\\n|\n| for url ", words)[0].strip() or error.strip()


def measure(run: Run, arrivals: str, level: float, objective: Objective, seed: int = 7) -> Level:
    """The figures of a level. Throughput counts what ended in the measured time, latencies what began in it."""
    measured = run.measured
    failed = [each for each in run.failed if each.ended >= run.start]
    seconds = max(run.end - run.start, 1e-9)
    ended = [each for each in run.answered if run.start <= each.ended <= run.end]
    everything = [*run.answered, *run.failed, *run.cut]
    busy = sum(max(0.0, min(each.ended, run.end) - max(each.started, run.start)) for each in everything)
    good = sum(meets(each, objective) for each in measured)
    judged = len(measured) + len(failed)
    spread = _Spread(measured, seed)
    return Level(
        level=level,
        title=title(arrivals, level),
        requests=len(measured),
        errors=dict(Counter(each.error or "unknown error" for each in failed).most_common(5)),
        cut=len(run.cut),
        seconds=seconds,
        concurrency=busy / seconds,
        requests_per_second=len(ended) / seconds,
        tokens_per_second=sum(each.output_tokens for each in ended) / seconds,
        prompt_tokens=_median([each.prompt_tokens for each in measured]),
        output_tokens=_median([each.output_tokens for each in measured]),
        ttft_ms=spread.of(lambda each: each.ttft_ms),
        itl_ms=spread.of(lambda each: each.itl_ms),
        e2e_ms=spread.of(lambda each: each.e2e_ms),
        stream_tokens_per_second=spread.of(lambda each: each.speed, slow=True),
        late_ms={} if arrivals == "concurrent" else spread.of(lambda each: each.late_ms),
        good=good / judged if judged else 0.0,
        good_interval=wilson(good, judged),
        goodput=len(ended) / seconds * (good / len(measured) if measured else 0.0),
        holds=judged > 0 and good >= objective.share * judged,
    )


def meets(request: Request, objective: Objective) -> bool:
    """Whether a request kept the promise; an answer of one token has no speed to be judged by."""
    soon = request.ttft_ms is not None and request.ttft_ms < objective.ttft_ms
    return soon and (request.speed is None or request.speed > objective.tokens_per_second)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% interval of a share (Wilson, 1927); (0, 1) without trials."""
    from scipy.stats import binomtest

    if not trials:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _median(values: Sequence[int]) -> float:
    return float(np.median(values)) if values else 0.0


class _Spread:
    """Percentiles of what the requests of a level say, by one seeded bootstrap."""

    def __init__(self, requests: Sequence[Request], seed: int) -> None:
        self._requests, self._seed = requests, seed

    def of(self, value: Callable[[Request], float | None], *, slow: bool = False) -> dict[str, Estimate]:
        """Median and the bad side (the low one with `slow`); a 1-in-100 value needs 100 requests to be named."""
        values = np.array([found for each in self._requests if (found := value(each)) is not None])
        places = (50, 10, 5, 1) if slow else (50, 90, 95, 99)
        seen = [
            place for place in places if len(values) * min(place, 100 - place) >= 100 or (place == 50 and len(values))
        ]
        if not seen:
            return {}
        rng = np.random.default_rng(self._seed)
        drawn = np.array([np.percentile(rng.choice(values, len(values)), seen) for _ in range(DRAWS)])
        low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
        exact = np.percentile(values, seen)
        return {
            f"p{place}": Estimate(value=float(exact[i]), low=float(low[i]), high=float(high[i]))
            for i, place in enumerate(seen)
        }

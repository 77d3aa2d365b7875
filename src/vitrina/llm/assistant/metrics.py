"""What the assistant counts, beside what every service does."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from vitrina.llm.prompts.checks import Finding
from vitrina.serving.telemetry import Telemetry

FIRST_TOKEN = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
GENERATION = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
OPEN = "open"
"""In place of a key, where the service asks for none."""
BREAKER = {"closed": 0, "half-open": 1, "open": 2}


class AssistantTelemetry(Telemetry):
    """The counters of one process."""

    def __init__(self) -> None:
        super().__init__()
        own = self._registry
        self._answers = Counter(
            "vitrina_assistant_answers", "Answers by outcome.", ["task", "variant", "outcome"], registry=own
        )
        self._first = Histogram(
            "vitrina_assistant_first_token_seconds",
            "From a request for a stream to its first token.",
            ["task"],
            buckets=FIRST_TOKEN,
            registry=own,
        )
        self._whole = Histogram(
            "vitrina_assistant_seconds",
            "From a request to its whole answer.",
            ["task"],
            buckets=GENERATION,
            registry=own,
        )
        self._tokens = Counter(
            "vitrina_assistant_tokens", "Tokens in and out, by key.", ["task", "caller", "direction"], registry=own
        )
        self._fallbacks = Counter(
            "vitrina_assistant_fallbacks", "Answers that something else gave.", ["task", "reason"], registry=own
        )
        self._findings = Counter(
            "vitrina_assistant_findings", "What checks found.", ["task", "kind", "severity"], registry=own
        )
        self._attempts = Counter(
            "vitrina_assistant_attempts", "Generations, those that were asked for again too.", ["task"], registry=own
        )
        self._retries = Counter("vitrina_assistant_retries", "Requests that were sent again.", registry=own)
        self._queue = Gauge(
            "vitrina_assistant_requests",
            "Requests that run or wait.",
            ["state"],
            multiprocess_mode="livesum",
            registry=own,
        )
        self._breaker = Gauge(
            "vitrina_assistant_breaker",
            "Circuit to the model at the last request: 0 closed, 1 half-open, 2 open; the worst of the workers.",
            multiprocess_mode="livemax",
            registry=own,
        )

    def first_token(self, task: str, started: float) -> None:
        """The first token of a stream that was asked for at `started` (`time.perf_counter`)."""
        self._child(self._first, task).observe(time.perf_counter() - started)

    def ended(self, task: str, variant: str, outcome: str, started: float) -> None:
        """A request that was asked at `started` ended: `accepted`, `flagged`, `fallback`, `failed` or `left`."""
        self._child(self._answers, task, variant, outcome).inc()
        if outcome not in ("failed", "left"):
            self._child(self._whole, task).observe(time.perf_counter() - started)

    def spent(self, task: str, caller: str, prompt: int, completion: int) -> None:
        """Tokens that a request of a key used."""
        self._child(self._tokens, task, caller or OPEN, "in").inc(prompt)
        self._child(self._tokens, task, caller or OPEN, "out").inc(completion)

    def fell_back(self, task: str, reason: str) -> None:
        """Something else than the language model answered."""
        self._child(self._fallbacks, task, reason).inc()

    def checked(self, task: str, findings: Sequence[Finding]) -> None:
        """What is wrong with an answer."""
        for each in findings:
            self._child(self._findings, task, each.kind, each.severity).inc()

    def attempted(self, task: str, count: int) -> None:
        """Generations that one request took."""
        self._child(self._attempts, task).inc(count)

    def places(self, running: int, waiting: int) -> None:
        """How many requests run and wait in this process."""
        self._child(self._queue, "running").set(running)
        self._child(self._queue, "waiting").set(waiting)

    def chat(self, circuit: str, retries: int) -> None:
        """How the circuit to the language model stands, and how often requests were sent again since last time."""
        self._breaker.set(BREAKER[circuit])
        self._retries.inc(retries)

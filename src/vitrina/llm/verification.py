"""Does a deployed language model do what Vitrina needs? Each check is a line: passed or failed, and its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal, NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict

from vitrina.llm.benchmark.watch import Watch
from vitrina.llm.endpoint import Endpoint
from vitrina.llm.gpus import gpu as device
from vitrina.llm.probe import Fault, Probe
from vitrina.llm.translation import TOO_LONG
from vitrina.llm.troubleshooting import Diagnosis, diagnoses

Status = Literal["pass", "fail", "note", "skip"]
NEEDED = "Describe a red wool scarf in three sentences."
TOKENS = 64
"""Of the answers that are measured."""
COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["ultramarine"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
"""A schema that a server meets by its constraints, hardly by chance."""
NOBODY = "vitrina-no-such-model"


class Check(BaseModel):
    """One line. `note`: not needed, but good to know; `skip`: could not be tried."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: Status
    seconds: float
    detail: str


class Verification(BaseModel):
    """All lines; `passed` when none failed."""

    model_config = ConfigDict(frozen=True)

    url: str
    model: str | None
    passed: bool
    checks: list[Check]
    diagnoses: list[Diagnosis]


class Outcome(NamedTuple):
    """What one check found."""

    status: Status
    detail: str


def verify(
    endpoint: Endpoint,
    *,
    wait: float = 0.0,
    context: int | None = None,
    gpu: str | None = None,
    tell: Callable[[str], None] = lambda what: None,
) -> Verification:
    """Check a server.

    Args:
        wait: seconds that it may still need to load.
        context: tokens that it should take at most, where it does not say so itself.
        gpu: what it runs on, for the plan's numbers in the diagnoses.

    Raises:
        UsageError: an unknown GPU.
    """
    if gpu is not None:
        device(gpu)
    with Probe(endpoint, context) as probe:
        checks = list(checks_of(probe, wait, tell))
        seen = probe.seen.model_copy(update={"model": probe.model, "gpu": gpu, "context": probe.context})
    failed = any(check.status == "fail" for check in checks)
    return Verification(
        url=endpoint.url, model=probe.model, passed=not failed, checks=checks, diagnoses=diagnoses(seen)
    )


def checks_of(probe: Probe, wait: float, tell: Callable[[str], None]) -> Iterator[Check]:
    """The lines, as they are found; `probe.seen` tells the rest."""
    ready = _timed("ready", partial(_ready, probe, wait, tell), probe)
    yield ready
    watch = Watch(probe.endpoint.url, probe.endpoint.key) if ready.status == "pass" else nullcontext()
    with watch as watched:
        for name, check in CHECKS.items():
            if ready.status == "fail":
                yield Check(name=name, status="skip", seconds=0.0, detail="the server is not ready")
                continue
            tell(f"Checking: {name}")
            yield _timed(name, partial(check, probe), probe)
    if watched is not None:
        probe.seen = probe.seen.model_copy(update={"server": watched.server})


def _timed(name: str, check: Callable[[], Outcome], probe: Probe) -> Check:
    started = time.perf_counter()
    try:
        status, detail = check()
    except Fault as fault:
        status, detail = "fail", str(fault)
        probe.seen.complaints.append(detail)
    except httpx.TimeoutException:
        status, detail = "fail", f"no answer within {probe.endpoint.total_timeout:g} s"
        probe.seen.complaints.append(detail)
    except httpx.HTTPError as error:
        status, detail = "fail", f"the connection broke: {error or type(error).__name__}"
        probe.seen.complaints.append(detail)
    return Check(name=name, status=status, seconds=round(time.perf_counter() - started, 3), detail=detail)


def _ready(probe: Probe, wait: float, tell: Callable[[str], None]) -> Outcome:
    started = time.monotonic()
    while True:
        state = probe.state()
        waited = time.monotonic() - started
        probe.seen = probe.seen.model_copy(update={"state": state, "waited": waited})
        if state == "ready":
            return Outcome("pass", f"answers after {waited:.0f} s" if waited >= 1 else "answers")
        if waited >= wait:
            after = f" after {waited:.0f} s" if wait else "; --wait gives it time"
            reasons = {"absent": "nobody answers at the address", "loading": "the server is not ready (503)"}
            raise Fault(f"{reasons.get(state, f'the server answers {state}')}{after}")
        tell(f"Waiting for the server: {state}, {waited:.0f} of {wait:.0f} s")
        time.sleep(min(1.0, wait - waited))


def _models(probe: Probe) -> Outcome:
    try:
        listed = probe.listed()
        wrong = f"the server lists {', '.join(listed) or 'nothing'}"
    except Fault as fault:
        listed, wrong = [], str(fault)
    if probe.model in listed:
        stated = f", at most {probe.context:,} tokens" if probe.context else ""
        return Outcome("pass", f"{', '.join(listed)}{stated}")
    if probe.model is not None and probe.asked("Hello", max_tokens=1).is_success:
        return Outcome("note", f"{probe.model} is served, but {wrong}")
    raise Fault(f"{probe.model} is not served: {wrong}" if probe.model else f"no model to ask: {wrong}")


def _generation(probe: Probe) -> Outcome:
    probe.answer = probe.completed(NEEDED, max_tokens=TOKENS, temperature=0)
    text = probe.text(probe.answer)
    if not text.strip():
        raise Fault("the answer is empty")
    return Outcome("pass", f"{text[:60]!r} …" if len(text) > 60 else repr(text))


def _streaming(probe: Probe) -> Outcome:
    measured = probe.streamed(NEEDED, max_tokens=TOKENS, temperature=0)
    probe.seen = probe.seen.model_copy(
        update={
            "answer_seconds": measured.seconds,
            "first_token_seconds": measured.first,
            "tokens_per_second": measured.speed,
        }
    )
    if measured.finish is None:
        raise Fault("the stream ends without a finish_reason")
    speed = f", then {measured.speed:.0f} tokens/s" if measured.speed else ""
    return Outcome("pass", f"first token after {measured.first * 1000:.0f} ms{speed}")


def _response_format(probe: Probe) -> Outcome:
    if probe.answer is None:
        return Outcome("skip", "there is no answer to look at")
    if missing := _missing(probe.answer):
        raise Fault(f"the answer lacks {', '.join(missing)}")
    usage = probe.answer["usage"]
    return Outcome("pass", f"{usage['prompt_tokens']} tokens of prompt, {usage['completion_tokens']} of answer")


def _missing(answer: dict[str, Any]) -> list[str]:
    """Fields of OpenAI's chat completion that clients rely on."""
    choice = answer["choices"][0]
    usage = answer.get("usage") or {}
    found = {
        "id": isinstance(answer.get("id"), str),
        "object=chat.completion": answer.get("object") == "chat.completion",
        "model": isinstance(answer.get("model"), str),
        "finish_reason": choice.get("finish_reason") in ("stop", "length"),
        "role=assistant": choice["message"].get("role") == "assistant",
        "usage": all(isinstance(usage.get(name), int) for name in ("prompt_tokens", "completion_tokens")),
    }
    return [name for name, there in found.items() if not there]


def _structured(probe: Probe) -> Outcome:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": COLOUR}}
    answer = probe.asked("Name a colour.", max_tokens=32, temperature=0, response_format=wanted)
    if 400 <= answer.status_code < 500:
        return Outcome("note", f"refused ({probe.words(answer)}): answers are asked for without a schema, and repaired")
    text = probe.text(probe.completion(answer))
    if "".join(text.split()) == '{"colour":"ultramarine"}':
        return Outcome("pass", "answers hold to a JSON schema")
    return Outcome("note", "response_format is ignored: answers are checked, repaired and asked for again")


def _context_limit(probe: Probe) -> Outcome:
    if probe.context is None:
        return Outcome("note", "the server does not state its limit (max_model_len); --context N tries one")
    answer = probe.asked("hello " * probe.context, max_tokens=1)
    if answer.is_success:
        tokens = (probe.completion(answer).get("usage") or {}).get("prompt_tokens", "more")
        raise Fault(f"{tokens} tokens were taken, though {probe.context:,} are the limit")
    words = probe.words(answer)
    if not 400 <= answer.status_code < 500:
        raise Fault(f"a prompt beyond the limit gets {answer.status_code}: {words}")
    if answer.status_code != 413 and not TOO_LONG.search(words):
        raise Fault(f"a prompt beyond the limit gets a sentence that does not say so: {words}")
    return Outcome("pass", f"a longer prompt gets {answer.status_code}: {words}")


def _errors(probe: Probe) -> Outcome:
    answer = probe.asked("Hello", model=NOBODY, max_tokens=1)
    if answer.is_success:
        return Outcome("note", "the server answers for any model's name")
    words = probe.words(answer)
    if not 400 <= answer.status_code < 500 or not words:
        raise Fault(f"an unknown model gets {answer.status_code} {words or 'without a reason in JSON'}")
    return Outcome("pass", f"an unknown model gets {answer.status_code}: {words}")


def _key(probe: Probe) -> Outcome:
    if probe.endpoint.key is None:
        return Outcome("note", "none was sent, none is asked for: whoever reaches the server may use it")
    answer = probe.asked("Hello", key="wrong", max_tokens=1)
    if answer.status_code not in (401, 403):
        raise Fault(f"a wrong key gets {answer.status_code}")
    return Outcome("pass", f"a wrong key gets {answer.status_code}")


CHECKS: dict[str, Callable[[Probe], Outcome]] = {
    "models": _models,
    "generation": _generation,
    "streaming": _streaming,
    "response format": _response_format,
    "structured output": _structured,
    "context limit": _context_limit,
    "error format": _errors,
    "API key": _key,
}

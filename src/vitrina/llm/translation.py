"""Failures of OpenAI's client → our errors, in sentences without the key and with few of the server's words."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vitrina.llm.errors import LLMBusy, LLMError, LLMRefused, LLMUnavailable, Reason

if TYPE_CHECKING:
    from vitrina.llm.endpoint import Endpoint

SHOWN = 300
"""Characters of the server's own words that a sentence repeats."""
TOO_LONG = re.compile(
    r"context (length|window|size)|max_model_len|too (long|many tokens)|reduce the length|at least 1, got -", re.I
)
UNKNOWN_MODEL = re.compile(r"\bmodel\b.*(not (exist|found)|unknown|invalid)|(unknown|invalid) model|pinned to", re.I)


def failures() -> tuple[type[Exception], ...]:
    """What a call of OpenAI's client may raise, and what reading an answer that is none does."""
    from openai import OpenAIError

    return (OpenAIError, ValueError, EOFError)


def translated(error: Exception, endpoint: Endpoint) -> LLMError:
    """The error that a caller sees for one of OpenAI's client, or for an answer that could not be read."""
    from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

    where = endpoint.url
    if isinstance(error, APIStatusError):
        return _by_status(error, endpoint)
    if isinstance(error, APITimeoutError):
        return LLMUnavailable(f"The language model at {where} did not answer in time.")
    if isinstance(error, APIConnectionError):
        return LLMUnavailable(f"The language model at {where} cannot be reached, or closed the connection.")
    if isinstance(error, APIError):
        return LLMUnavailable(f"The language model at {where} failed: {clean(error.message, endpoint)}.")
    if isinstance(error, EOFError):
        return LLMUnavailable(f"The language model at {where} ended the stream too early.")
    return LLMUnavailable(f"{where} answered with something that is not a completion: is it an OpenAI-compatible URL?")


def _by_status(error: Any, endpoint: Endpoint) -> LLMError:
    status, where = error.status_code, endpoint.url
    wait = retry_after(error.response.headers)
    said = clean(words(error.body) or "no reason given", endpoint)
    if status == 429:
        when = "" if wait is None else f"; try again in {wait:.0f} s"
        return LLMBusy(f"The language model at {where} has too many requests{when}.", retry_after=wait)
    if status >= 500 or status in (408, 409):
        return LLMUnavailable(f"The language model at {where} answered {status}: {said}.", retry_after=wait)
    reason = _reason(status, said)
    sentences: dict[Reason, str] = {
        "key": f"The language model at {where} refuses the API key ({status}): set VITRINA_LLM_KEY.",
        "model": f"The language model at {where} does not serve the model {endpoint.model or ''!r}: {said}.",
        "context": f"The prompt is too long for the language model at {where}: {said}.",
        "request": f"The language model at {where} refuses the request ({status}): {said}.",
    }
    return LLMRefused(sentences[reason], reason=reason)


def _reason(status: int, said: str) -> Reason:
    if status in (401, 403):
        return "key"
    if status == 413 or TOO_LONG.search(said):
        return "context"
    return "model" if UNKNOWN_MODEL.search(said) else "request"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, which may be a date; none where it says nothing sensible."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - time.time()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def words(body: Any) -> str:
    """The message of an error body: OpenAI's, vLLM's, or FastAPI's `detail` without the input that it echoes."""
    if isinstance(body, str):
        return "" if "<" in body else body
    if isinstance(body, list):
        return "; ".join(filter(None, map(words, body[:3])))
    if isinstance(body, Mapping):
        return next(filter(None, (words(body.get(name)) for name in ("message", "error", "detail", "msg"))), "")
    return ""


def clean(text: str, endpoint: Endpoint) -> str:
    """A server's words, short and without the key."""
    key = endpoint.key.get_secret_value() if endpoint.key else ""
    text = " ".join(text.replace(key, "***").split() if key else text.split())
    return (text[:SHOWN] + " …" if len(text) > SHOWN else text).rstrip(".")

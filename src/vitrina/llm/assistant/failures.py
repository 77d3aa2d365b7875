"""What becomes of a failure of the language model: a reason for a fallback, or the answer that the caller gets."""

from __future__ import annotations

import math

from vitrina.contracts.http import Refusal
from vitrina.llm.errors import LLMBusy, LLMInterrupted, LLMRefused, LLMUnavailable
from vitrina.llm.prompts.errors import AnswerError

FAILURES = (LLMUnavailable, LLMBusy, LLMRefused, LLMInterrupted, AnswerError, TimeoutError)
"""What a request to the language model may end in."""

RETRY_SECONDS = 5
"""When to come back, where nobody knows better."""


def reason(error: BaseException) -> str:
    """One word for metrics and answers."""
    named = {
        LLMUnavailable: "unavailable",
        LLMBusy: "busy",
        LLMRefused: "refused",
        LLMInterrupted: "interrupted",
        AnswerError: "invalid",
        TimeoutError: "timeout",
    }
    return next((name for kind, name in named.items() if isinstance(error, kind)), "failed")


def refusal(error: BaseException, seconds: float, url: str) -> Refusal:
    """The answer to a request that nothing else can answer.

    Args:
        seconds: what the model had.
        url: where it is, which callers need not know.
    """
    message = str(error).replace(f" at {url}", "").replace(url, "The language model")
    if isinstance(error, TimeoutError):
        return later(f"The language model gave no whole answer within {seconds:g} seconds.", RETRY_SECONDS)
    if isinstance(error, LLMRefused):
        if error.reason == "context":
            return Refusal(422, message)
        return Refusal(503, message)  # the service's own set-up: coming back soon helps nobody
    wait = getattr(error, "retry_after", None)
    return later(message, RETRY_SECONDS if wait is None else max(1, math.ceil(wait)))


def later(message: str, seconds: int) -> Refusal:
    """A 503 that says when to come back."""
    return Refusal(503, message, headers=((b"retry-after", b"%d" % seconds),))

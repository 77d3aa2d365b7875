"""A language model's server → does it do what Vitrina needs, and if not, why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.llm.endpoint import Endpoint


class LlmVerifyResult(JobResult):
    """`checks`: name, status (pass, fail, note, skip), seconds, detail; `diagnoses`: trouble, reason, changes."""

    url: str
    model: str | None
    passed: bool
    checks: list[dict[str, Any]]
    diagnoses: list[dict[str, Any]]


def llm_verify(
    endpoint: Endpoint,
    *,
    wait: float = 0.0,
    context: int | None = None,
    gpu: str | None = None,
    tell: Callable[[str], None] = lambda what: None,
) -> LlmVerifyResult:
    """Check a server that speaks OpenAI's API.

    Args:
        wait: seconds that it may still need to load.
        context: tokens that it should take at most, where it does not say so itself.
        gpu: what it runs on, for the plan's numbers in the diagnoses.

    Raises:
        UsageError: an unknown GPU.
    """
    from vitrina.llm.verification import verify

    found = verify(endpoint, wait=wait, context=context, gpu=gpu, tell=tell)
    return LlmVerifyResult(**found.model_dump())

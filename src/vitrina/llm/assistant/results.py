"""From what was generated to what is sent, counted and logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from vitrina.llm.assistant.job import Job
from vitrina.llm.assistant.masking import masked_values
from vitrina.llm.assistant.messages import (
    Answered,
    AssistantRecord,
    Check,
    DescribeAnswered,
    Fallback,
    MarketAnswered,
    Outcome,
    RecommendAnswered,
    ReplyAnswered,
    Usage,
)
from vitrina.llm.assistant.metrics import AssistantTelemetry
from vitrina.llm.assistant.shown import escaped_answer
from vitrina.llm.prompts.checks import Finding
from vitrina.llm.prompts.variables import Answer

ANSWERS: Mapping[str, type[Answered[Any]]] = {
    "describe": DescribeAnswered,
    "recommend": RecommendAnswered,
    "market_analysis": MarketAnswered,
    "reply": ReplyAnswered,
}
"""Task → the message that answers it."""

ASSISTANT = "assistant"
"""Its name in the prediction log, whichever model answers."""


@dataclass(frozen=True)
class Result:
    """An answer as it may be shown, and how it came about.

    Attributes:
        findings: what is wrong with it.
        version: of what stood in for the model; none: the prompt's counts.
        escaped: its texts are escaped already.
    """

    answer: Answer
    findings: Sequence[Finding]
    model: str
    version: str | None = None
    attempts: int = 1
    repaired: bool = False
    fallback: Fallback | None = None
    fallback_reason: str | None = None
    escaped: bool = False

    @property
    def acceptable(self) -> bool:
        """Whether no check found a reason not to show it."""
        return not any(each.severity == "error" for each in self.findings)

    @property
    def outcome(self) -> Outcome:
        """How it counts."""
        if self.fallback is not None:
            return "fallback"
        return "accepted" if self.acceptable else "flagged"


def concluded(
    job: Job, result: Result, telemetry: AssistantTelemetry, log: Callable[[msgspec.Struct], None]
) -> Answered[Any]:
    """Count and log a result, and give the answer that is sent."""
    telemetry.ended(job.task.name, job.variant, result.outcome, job.started)
    telemetry.checked(job.task.name, result.findings)
    telemetry.attempted(job.task.name, result.attempts)
    if result.fallback_reason is not None:
        telemetry.fell_back(job.task.name, result.fallback_reason)
    log(_record(job, result))
    return ANSWERS[job.task.name](
        answer=result.answer if result.escaped else escaped_answer(result.answer),
        checks=[Check(kind=each.kind, severity=each.severity, detail=each.detail) for each in result.findings],
        acceptable=result.acceptable,
        fallback=result.fallback,
        fallback_reason=result.fallback_reason,
        usage=Usage(prompt_tokens=job.spent.prompt_tokens, completion_tokens=job.spent.completion_tokens),
        attempts=result.attempts,
        repaired=result.repaired,
        model=result.model,
        version=result.version or job.prompt.version,
        variant=job.variant,
        request_id=job.request_id,
    )


def failed(job: Job, telemetry: AssistantTelemetry, log: Callable[[msgspec.Struct], None]) -> None:
    """Count and log that nothing answered."""
    telemetry.ended(job.task.name, job.variant, "failed", job.started)
    log(_record(job, None))


def _record(job: Job, result: Result | None) -> AssistantRecord:
    answer = result.answer if result else None
    return AssistantRecord(
        request_id=job.request_id,
        timestamp=datetime.now(UTC),
        model=ASSISTANT,
        version=job.prompt.version,
        task=job.task.name,
        variant=job.variant,
        caller=job.caller,
        user=job.user,
        language=job.inputs.language,
        inputs=masked_values(job.inputs.model_dump(mode="json", exclude_defaults=True)),
        answer=masked_values(answer.model_dump(mode="json")) if answer else {},
        label=result.outcome if result else "failed",
        length=len(job.task.as_text(answer).split()) if answer else 0,
        findings=sorted({each.kind for each in result.findings}) if result else [],
        fallback=result.fallback if result else None,
        attempts=result.attempts if result else 0,
        repaired=result.repaired if result else False,
        prompt_tokens=job.spent.prompt_tokens,
        completion_tokens=job.spent.completion_tokens,
        seconds=job.seconds,
        first_token_seconds=job.first_token,
    )

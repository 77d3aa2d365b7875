"""HTTP messages of `/ai/assistant/…`, and the line of the prediction log.

A request is its task's inputs (`prompts/variables.py`) with what concerns this call; an answer is the task's answer
with what became of it. Every text of an answer is escaped: `<`, `>` and `"` never stand in it as they are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec
from pydantic import BaseModel, Field

from vitrina.llm.prompts.variables import (
    Answer,
    Candidate,
    DescribeAnswer,
    DescribeInputs,
    Line,
    MarketAnswer,
    MarketInputs,
    RecommendAnswer,
    RecommendInputs,
    ReplyAnswer,
    ReplyInputs,
    Strict,
    Word,
)
from vitrina.llm.sampling import Sampling

A = TypeVar("A", bound=Answer)

Fallback = Literal["product_describer"]
Outcome = Literal["accepted", "flagged", "fallback"]


class Options(Strict):
    """How a call is answered.

    `stream`: as server-sent events. `user_id`: whose prompts stay the same while two versions are compared; only a
    digest of it is kept. `sampling` replaces what the prompt says, field by field.
    """

    stream: bool = False
    user_id: Word | None = None
    sampling: Sampling | None = None


class DescribeRequest(DescribeInputs, Options):
    """A product to be described."""


class RecommendRequest(RecommendInputs, Options):
    """A customer to be advised. Without `candidates` a served recommender is asked for `user_id` and the session."""

    candidates: list[Candidate] = Field(default_factory=list, max_length=50)
    category: Line | None = None
    exclude: list[Word] = Field(default_factory=list, max_length=1000)


class MarketRequest(MarketInputs, Options):
    """A market to be analysed; `reasoning`: the steps to the conclusions are wanted too."""

    reasoning: bool = False


class ReplyRequest(ReplyInputs, Options):
    """A customer's message to be answered."""


class Check(BaseModel):
    """What a check found: an `error` is a reason not to show the answer, a `warning` worth knowing."""

    kind: str
    severity: Literal["error", "warning"]
    detail: str


class Usage(BaseModel):
    """Tokens of all attempts together."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Answered(BaseModel, Generic[A]):
    """An answer with what became of it.

    `acceptable`: no check found an error. `fallback`: what answered in place of the language model, and why. `version`
    is the prompt's, or that of what stood in; `variant`: whether that prompt is in production or its candidate.
    """

    answer: A
    checks: list[Check]
    acceptable: bool
    fallback: Fallback | None = None
    fallback_reason: str | None = None
    usage: Usage
    attempts: int
    repaired: bool = False
    model: str
    version: str
    variant: str
    request_id: str


class DescribeAnswered(Answered[DescribeAnswer]):
    """A description, checked against the product's data."""


class RecommendAnswered(Answered[RecommendAnswer]):
    """Recommendations with their reasons: candidates only, each once."""


class MarketAnswered(Answered[MarketAnswer]):
    """An analysis of a market; its numbers checked against the data."""


class ReplyAnswered(Answered[ReplyAnswer]):
    """A reply to a customer; `needs_human` also where a check found an error."""


class UsageReport(msgspec.Struct):
    """Tokens that the caller's key used this minute and this day (UTC); a limit of 0 is none."""

    minute: int
    day: int
    minute_limit: int
    day_limit: int
    request_id: str


class AssistantRecord(msgspec.Struct):
    """One line of the prediction log; texts are masked.

    `label` is the outcome, or `failed` where nothing answered; `length` the answer's words; `user` a digest.
    """

    request_id: str
    timestamp: datetime
    model: str
    version: str
    task: str
    variant: str
    caller: str
    user: str | None
    language: str
    inputs: dict[str, Any]
    answer: dict[str, Any]
    label: str
    length: int
    findings: list[str]
    fallback: str | None
    attempts: int
    repaired: bool
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    first_token_seconds: float | None

"""What may be shown of an answer: no reasoning, no product that is no candidate, no markup."""

from __future__ import annotations

from typing import TypeVar

from vitrina.contracts.escaping import escaped
from vitrina.errors import VitrinaError
from vitrina.llm.assistant.job import Job
from vitrina.llm.prompts.checks import Finding
from vitrina.llm.prompts.reasoning import Splitter
from vitrina.llm.prompts.variables import (
    Answer,
    MarketAnswer,
    RecommendAnswer,
    Recommendation,
    RecommendInputs,
    ReplyAnswer,
)

A = TypeVar("A", bound=Answer)

LEFT_OUT = ("unknown_product", "budget")
"""Findings that cost a recommendation its place."""


class Shown:
    """What of a stream may be shown, piece by piece; recommendations in whole lines, once it is known that they may."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._splitter = Splitter()
        self._line = ""
        self._named: set[str] = set()

    def feed(self, piece: str) -> str:
        """What a piece adds, escaped; may be empty."""
        return self._passed(self._splitter.feed(piece))

    def finish(self) -> str:
        """What was held back until now."""
        rest = self._passed(self._splitter.finish())
        last, self._line = self._line, ""
        return rest + (escaped(last) if last and self._may_be_shown(last) else "")

    def _passed(self, text: str) -> str:
        if not isinstance(self._job.inputs, RecommendInputs):
            return escaped(text)
        *lines, self._line = (self._line + text).split("\n")
        return "".join(f"{escaped(line)}\n" for line in lines if self._may_be_shown(line))

    def _may_be_shown(self, line: str) -> bool:
        """Whether a line names no product, or a candidate for the first time."""
        try:
            answer = self._job.task.read_text(self._job.inputs, line)
        except VitrinaError:  # it recommends nothing
            return True
        assert isinstance(answer, RecommendAnswer)
        [each] = answer.recommendations
        if each.product_id in self._named or _why_not(self._job, each):
            return False
        self._named.add(each.product_id)
        return True


def presentable(job: Job, answer: A) -> tuple[A, list[Finding]]:
    """The answer as it may be shown, and what is wrong with it: with what had to be left out as warnings.

    Recommendations that may not be made are left out; a reply that a check objects to is marked for a person; reasoning
    stays only where it is wanted.
    """
    left_out: list[Finding] = []
    if isinstance(answer, RecommendAnswer):
        answer, left_out = _only_candidates(job, answer)  # type: ignore[assignment]
    found = job.check(answer)
    if isinstance(answer, ReplyAnswer) and any(each.severity == "error" for each in found):
        answer = answer.model_copy(update={"needs_human": True})
    if isinstance(answer, MarketAnswer) and not job.reasoning:
        answer = answer.model_copy(update={"reasoning": ""})
    return answer, [*left_out, *found]


def escaped_answer(answer: A) -> A:
    """The answer with all its texts escaped."""
    return answer.model_copy(update={name: _escaped(getattr(answer, name)) for name in type(answer).model_fields})


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return escaped_answer(value) if isinstance(value, Answer) else value


def _only_candidates(job: Job, answer: RecommendAnswer) -> tuple[RecommendAnswer, list[Finding]]:
    kept: dict[str, Recommendation] = {}
    left_out: list[Finding] = []
    for each in answer.recommendations:
        if why := _why_not(job, each):
            left_out.append(why._replace(severity="warning", detail=f"{why.detail} It was left out."))
        else:
            kept.setdefault(each.product_id, each)
    return answer.model_copy(update={"recommendations": list(kept.values())}), left_out


def _why_not(job: Job, each: Recommendation) -> Finding | None:
    found = job.check(RecommendAnswer(recommendations=[each]))
    return next((finding for finding in found if finding.kind in LEFT_OUT), None)

"""How good a prompt is, before anybody sees its answers: a model is asked with it, and every answer checked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from vitrina.llm.prompts.checks import Finding, Knowledge
from vitrina.llm.prompts.prompt import Prompt
from vitrina.llm.prompts.rendering import render
from vitrina.llm.prompts.structured import ATTEMPTS, Completes, NoAnswer, Tokens, answered
from vitrina.llm.prompts.tasks import Example, task
from vitrina.llm.prompts.variables import Answer, DescribeInputs, Variables

COMPLETENESS = "missing"


class Case(NamedTuple):
    """Inputs to be answered, with examples to show."""

    inputs: Variables
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Judged:
    """One answer and what is to be said of it; `answer` is None where no attempt gave a valid one."""

    inputs: Variables
    answer: Answer | None
    error: str | None
    findings: list[Finding]
    attempts: int
    repaired: bool
    usage: Tokens
    seconds: float

    @property
    def acceptable(self) -> bool:
        """Whether it could be shown: valid, and no check found an error."""
        return self.answer is not None and all(each.severity != "error" for each in self.findings)


class Share(NamedTuple):
    """A share of all cases with Wilson's 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    """What the answers to a prompt are like.

    Attributes:
        valid, at_once, acceptable: shares of all cases; `at_once`: valid at the first attempt, without repair.
        findings: kind → share of the cases with at least one.
        coverage: mean share of a product's attributes that its description mentions; None for other tasks.
        words, seconds, tokens: medians of the valid answers' lengths, of times, of completion tokens with all attempts.
    """

    prompt: str
    cases: int
    valid: Share
    at_once: Share
    acceptable: Share
    findings: dict[str, Share] = field(default_factory=dict)
    coverage: float | None = None
    words: float = 0.0
    seconds: float = 0.0
    tokens: float = 0.0


async def judged(
    chat: Completes,
    prompt: Prompt,
    cases: Sequence[Case],
    *,
    knowledge: Knowledge | None = None,
    attempts: int = ATTEMPTS,
    concurrency: int = 4,
    done: Callable[[int], None] = lambda count: None,
) -> list[Judged]:
    """Ask with a prompt for every case, at most `concurrency` at once; in order. `done` hears how many are through.

    The seed of a case is its number, so that two prompts meet the same luck.
    """
    turns, finished = asyncio.Semaphore(concurrency), 0

    async def one(number: int, case: Case) -> Judged:
        nonlocal finished
        async with turns:
            made = await _one(chat, prompt, case, number, knowledge, attempts)
        finished += 1
        done(finished)
        return made

    return list(await asyncio.gather(*(one(number, case) for number, case in enumerate(cases))))


async def _one(
    chat: Completes, prompt: Prompt, case: Case, seed: int, knowledge: Knowledge | None, attempts: int
) -> Judged:
    kind = task(prompt.task)
    messages = render(prompt, case.inputs, case.examples)
    sampling = prompt.sampling.model_copy(update={"seed": seed})
    start = time.monotonic()
    try:
        found = await answered(chat, messages, sampling, kind.answer, attempts)
    except NoAnswer as error:
        seconds = time.monotonic() - start
        return Judged(case.inputs, None, str(error), [], error.attempts, False, error.usage, seconds)
    seconds = time.monotonic() - start
    findings = kind.check(case.inputs, found.value, knowledge)
    return Judged(case.inputs, found.value, None, findings, found.attempts, found.repaired, found.usage, seconds)


def quality(prompt: Prompt, answers: Sequence[Judged]) -> Quality:
    """Sum up the answers to a prompt; at least one."""
    kind = task(prompt.task)
    counts = Counter(name for each in answers for name in {finding.kind for finding in each.findings})
    covered = [_covered(each) for each in answers if each.answer is not None]
    known = [share for share in covered if share is not None]
    words = [len(kind.as_text(each.answer).split()) for each in answers if each.answer is not None]
    return Quality(
        prompt=prompt.version,
        cases=len(answers),
        valid=_share([each.answer is not None for each in answers]),
        at_once=_share([each.answer is not None and each.attempts == 1 and not each.repaired for each in answers]),
        acceptable=_share([each.acceptable for each in answers]),
        findings={name: _of(count, len(answers)) for name, count in counts.most_common()},
        coverage=float(np.mean(known)) if known else None,
        words=float(np.median(words)) if words else 0.0,
        seconds=float(np.median([each.seconds for each in answers])),
        tokens=float(np.median([each.usage.completion_tokens for each in answers])),
    )


def _covered(answer: Judged) -> float | None:
    """Share of a product's attributes that its description mentions."""
    if not isinstance(answer.inputs, DescribeInputs) or not (attributes := answer.inputs.product.attributes):
        return None
    left_out = {name for each in answer.findings if each.kind == COMPLETENESS for name in each.names}
    return 1 - len(left_out & set(attributes)) / len(attributes)


class Paired(NamedTuple):
    """Two prompts on the same cases: in how many only one was acceptable, and McNemar's exact p-value of that."""

    only_first: int
    only_second: int
    p_value: float
    sentence: str


def paired(first: Sequence[Judged], second: Sequence[Judged], names: tuple[str, str]) -> Paired:
    """Compare two prompts by which of their answers could be shown; the cases of both in the same order."""
    from scipy.stats import binomtest

    pairs = [(one.acceptable, other.acceptable) for one, other in zip(first, second, strict=True)]
    ahead, behind = pairs.count((True, False)), pairs.count((False, True))
    p_value = float(binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0
    counts = f"only {names[0]} is acceptable in {ahead} of {len(pairs)} cases, only {names[1]} in {behind}"
    told = f"{counts}; p = {p_value:.3g}"
    if p_value >= 0.05:
        return Paired(ahead, behind, p_value, f"No difference is shown: {told}.")
    return Paired(ahead, behind, p_value, f"{names[ahead < behind]} is better: {told}.")


def record(answer: Judged) -> Mapping[str, Any]:
    """An answer as a line of the report."""
    return {
        "inputs": answer.inputs.model_dump(mode="json", exclude_defaults=True),
        "answer": answer.answer.model_dump(mode="json") if answer.answer else None,
        "error": answer.error,
        "findings": [each._asdict() for each in answer.findings],
        "attempts": answer.attempts,
        "repaired": answer.repaired,
        "completion_tokens": answer.usage.completion_tokens,
        "seconds": round(answer.seconds, 3),
    }


def _share(hits: Sequence[bool]) -> Share:
    return _of(sum(hits), len(hits))


def _of(part: int, total: int) -> Share:
    from scipy.stats import binomtest

    bounds = binomtest(part, total).proportion_ci(0.95, method="wilson")
    return Share(part / total, float(bounds.low), float(bounds.high))

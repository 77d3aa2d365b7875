"""The tasks of the assistant: what each is given, what it answers, how the answer is asked for, read and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from vitrina.llm.prompts import checks
from vitrina.llm.prompts.checks import Finding, Knowledge
from vitrina.llm.prompts.errors import AnswerError, PromptError
from vitrina.llm.prompts.reasoning import split
from vitrina.llm.prompts.variables import (
    Answer,
    DescribeAnswer,
    DescribeInputs,
    MarketAnswer,
    MarketInputs,
    RecommendAnswer,
    RecommendInputs,
    ReplyAnswer,
    ReplyInputs,
    Variables,
)
from vitrina.llm.sampling import Sampling

CITED = re.compile(r"^\W*\[([^\[\]\n]{1,200})\]\W*(.+)$")
NOT_ASKED = ("title", "description", "default", "minLength", "maxLength")
"""Keywords that the asked schema leaves out: they cost tokens, and long bounds make grammars slow; answers are still
validated by them."""


class Example(NamedTuple):
    """Inputs with a good answer, shown to the model."""

    inputs: Variables
    answer: Answer


@dataclass(frozen=True)
class Task:
    """One kind of request.

    Attributes:
        inputs, answer: the pydantic models of both.
        sampling: how it is drawn unless a prompt says otherwise.
        write: the answer as prose, which is what the form `text` asks for; read: that prose as an answer.
        findings: what is wrong with an answer to these inputs.
    """

    name: str
    inputs: type[Variables]
    answer: type[Answer]
    sampling: Sampling
    write: Callable[[Any], str]
    read: Callable[[Any, str], dict[str, Any]]
    findings: Callable[[Any, Any, Knowledge | None], list[Finding]]

    def schema(self) -> dict[str, Any]:
        """The JSON schema that is asked for: all keys required, none further."""
        return asked_schema(self.answer)

    def validated(self, inputs: BaseModel | Mapping[str, Any]) -> Variables:
        """The inputs, validated.

        Raises:
            PromptError: what is missing, unknown or out of bounds, in one sentence.
        """
        if isinstance(inputs, self.inputs):
            return inputs
        values = inputs.model_dump() if isinstance(inputs, BaseModel) else dict(inputs)
        try:
            return self.inputs.model_validate(values)
        except ValidationError as error:
            raise PromptError(f"Inputs of '{self.name}': {first_mistake(error)}.") from error

    def as_json(self, answer: Answer) -> str:
        """An answer in the form `json`, as an example shows it."""
        return answer.model_dump_json()

    def as_text(self, answer: Answer) -> str:
        """An answer in the form `text`: what people read."""
        return self.write(answer)

    def read_text(self, inputs: Variables, text: str) -> Answer:
        """The answer that a text holds; reasoning in it is set apart.

        Raises:
            AnswerError: when it is empty or has not the agreed lines.
        """
        prose, reasoning = split(text)
        values = self.read(inputs, prose)
        if reasoning and "reasoning" in self.answer.model_fields:
            values["reasoning"] = reasoning[:8000]
        try:
            return self.answer.model_validate(values)
        except ValidationError as error:
            raise AnswerError(f"The model's text is no answer to '{self.name}': {first_mistake(error)}.") from error

    def check(self, inputs: Variables, answer: Answer, knowledge: Knowledge | None = None) -> list[Finding]:
        """What is wrong with an answer; empty: nothing was found. `knowledge` finds invented attributes too."""
        return self.findings(inputs, answer, knowledge)


@cache
def asked_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of an answer as a model is asked for it: all keys required, none further. Do not change it."""
    asked: dict[str, Any] = _asked(answer.model_json_schema())
    return asked


def first_mistake(error: ValidationError) -> str:
    """The first of pydantic's errors in a few words: where, and what."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"`{where}`: {first['msg']}" if where else str(first["msg"])


def _asked(schema: Any, named: bool = False) -> Any:
    """`named`: the keys of this mapping are names of properties, not keywords."""
    if isinstance(schema, list):
        return [_asked(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {
        key: _asked(value, key in ("properties", "$defs") and not named)
        for key, value in schema.items()
        if named or key not in NOT_ASKED
    }
    if not named and "properties" in kept:
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept


def _write_description(answer: DescribeAnswer) -> str:
    return f"{answer.title}\n\n{answer.description}"


def _read_description(inputs: DescribeInputs, text: str) -> dict[str, Any]:
    """The first line is the title where a paragraph follows; else the product's own title stands."""
    title, _, rest = text.partition("\n")
    if rest.strip() and len(title) <= 200:
        return {"title": title.strip("#* "), "description": rest}
    return {"title": inputs.product.title[:200], "description": text}


def _write_recommendations(answer: RecommendAnswer) -> str:
    lines = [f"[{each.product_id}] {each.reason}" for each in answer.recommendations]
    return "\n".join([*lines, *([answer.summary] if answer.summary else [])])


def _read_recommendations(inputs: RecommendInputs, text: str) -> dict[str, Any]:
    """A line `[product_id] reason` is a recommendation; other lines are the summary."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cited = [CITED.match(line) for line in lines]
    return {
        "recommendations": [{"product_id": found[1], "reason": found[2]} for found in cited if found],
        "summary": " ".join(line for line, found in zip(lines, cited, strict=True) if not found)[:1000],
    }


def _write_analysis(answer: MarketAnswer) -> str:
    lines = [f"- {each.statement}{f' ({each.evidence})' if each.evidence else ''}" for each in answer.insights]
    return "\n".join([answer.summary, *lines, *(f"- {action}" for action in answer.actions)])


def _read_analysis(inputs: MarketInputs, text: str) -> dict[str, Any]:
    return {"summary": text}


def _write_reply(answer: ReplyAnswer) -> str:
    return answer.reply


def _read_reply(inputs: ReplyInputs, text: str) -> dict[str, Any]:
    return {"reply": text}


TASKS: Mapping[str, Task] = {
    each.name: each
    for each in (
        Task(
            "describe",
            DescribeInputs,
            DescribeAnswer,
            Sampling(max_tokens=200),
            _write_description,
            _read_description,
            checks.describe,
        ),
        Task(
            "recommend",
            RecommendInputs,
            RecommendAnswer,
            Sampling(max_tokens=400),
            _write_recommendations,
            _read_recommendations,
            checks.recommend,
        ),
        Task(
            "market_analysis",
            MarketInputs,
            MarketAnswer,
            Sampling(temperature=0.3, max_tokens=900, frequency_penalty=0.1),
            _write_analysis,
            _read_analysis,
            checks.market_analysis,
        ),
        Task(
            "reply",
            ReplyInputs,
            ReplyAnswer,
            Sampling(temperature=0.3, max_tokens=250, frequency_penalty=0.1),
            _write_reply,
            _read_reply,
            checks.reply,
        ),
    )
}


def task(name: str) -> Task:
    """A task by name; a dash counts as an underscore.

    Raises:
        PromptError: when there is none of that name.
    """
    found = TASKS.get(name.replace("-", "_"))
    if found is None:
        raise PromptError(f"There is no task '{name}'; choose {', '.join(names())}.")
    return found


def names() -> Sequence[str]:
    """The names of all tasks."""
    return tuple(TASKS)

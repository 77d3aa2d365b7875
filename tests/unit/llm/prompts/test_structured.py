from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from vitrina.llm.prompts.rendering import Message
from vitrina.llm.prompts.structured import NoAnswer, Structured, Tokens, Unreadable, answered, parsed
from vitrina.llm.prompts.variables import DescribeAnswer, MarketAnswer
from vitrina.llm.sampling import Sampling

GOOD = json.dumps({"title": 'Taza "gres"', "description": "Taza {azul}, it's blue.", "highlights": ["a"]})
ASKED: list[Message] = [{"role": "user", "content": "Describe."}]


class Completion(NamedTuple):
    text: str
    finish_reason: str = "stop"
    usage: Tokens = Tokens(10, 5)
    model: str = "scripted"


class Scripted:
    """Says what it is told to, in order; keeps what it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked, self.seeds = list(texts), [], []  # type: ignore[var-annotated]

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        assert schema is not None
        assert schema["required"][0] == "title"
        self.asked.append(list(messages))
        self.seeds.append(sampling.seed)
        return Completion(self.texts.pop(0))


def _answered(chat: Scripted, **options: Any) -> Structured[DescribeAnswer]:
    return asyncio.run(answered(chat, ASKED, Sampling(seed=3), DescribeAnswer, **options))


@pytest.mark.parametrize(
    "broken",
    [
        GOOD[:-1] + ",}",
        GOOD[:-1],
        GOOD[:-2],
        f"Here you are:\n```json\n{GOOD}\n```\nI hope it helps {{ok}}!",
        f"<thinking>{{no}} ...</thinking>{GOOD}",
        GOOD.replace('"title"', "title"),
        f'{{"answer": {GOOD}}}',
        f"{GOOD}\n{GOOD}",
        f"[{GOOD}]",
        GOOD.replace(', "highlights"', ' "highlights"'),
    ],
)
def test_a_broken_form_is_mended_without_touching_the_content(broken: str) -> None:
    value, repaired = parsed(broken, DescribeAnswer)

    assert repaired
    assert value == parsed(GOOD, DescribeAnswer)[0]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (GOOD[:55], "breaks off in the middle of a text"),
        ('{"title": "Taza", "descr', "breaks off"),
        ('{"title": "Taza"', "`description`: Field required"),
        ('{"title": 5, "description": "b"}', "`title`: Input should be a valid string"),
        ('{"title": ["a"], "description": "b",}', "`title`: Input should be a valid string"),
        ("Lo siento, no puedo.", "it holds no JSON object"),
        ("", "it holds no JSON object"),
        ("null", "it holds no JSON object"),
    ],
)
def test_what_cannot_be_mended_is_said_in_words(text: str, mistake: str) -> None:
    with pytest.raises(Unreadable, match=mistake):
        parsed(text, DescribeAnswer)


@pytest.mark.parametrize("text", ['{"a" ' * 10_000, "{'" * 20_000, "{" * 50_000, "[" * 100_000, '{"a":' * 9_999])
def test_an_answer_nested_without_end_costs_no_time(text: str) -> None:
    start = time.monotonic()

    with pytest.raises(Unreadable):
        parsed(text, DescribeAnswer)
    assert time.monotonic() - start < 2


def test_a_valid_answer_is_asked_for_once() -> None:
    found = _answered(Scripted(GOOD))

    assert (found.attempts, found.repaired, found.usage, found.objection) == (1, False, Tokens(10, 5), None)


def test_the_model_is_asked_again_with_what_was_wrong_and_every_attempt_is_counted() -> None:
    chat = Scripted("no", '{"title": "a"}', GOOD[:-1])

    found = _answered(chat)

    assert (found.attempts, found.repaired, found.usage) == (3, True, Tokens(30, 15))
    assert [len(messages) for messages in chat.asked] == [1, 3, 3]
    assert chat.asked[1][1] == {"role": "assistant", "content": "no"}
    assert "no JSON object" in chat.asked[1][2]["content"]
    assert "`description`: Field required" in chat.asked[2][2]["content"]
    assert chat.seeds == [3, 4, 5]


def test_after_the_last_attempt_there_is_one_sentence_and_the_bill() -> None:
    with pytest.raises(
        NoAnswer, match=r"no valid answer in 2 attempts; the last: `description`: Field required\."
    ) as at:
        _answered(Scripted("no", '{"title": "a"}', GOOD), attempts=2)

    assert (at.value.usage, at.value.attempts) == (Tokens(20, 10), 2)


def test_an_objection_asks_again_and_the_last_valid_answer_is_given_back_with_it() -> None:
    better = GOOD.replace("Taza", "Plato")

    def objects(answer: DescribeAnswer) -> str | None:
        return "say plate" if "Taza" in answer.title else None

    assert _answered(Scripted(GOOD, better), objects=objects).objection is None
    found = _answered(Scripted(GOOD, "no", "no"), objects=objects)
    assert (found.value.title, found.attempts, found.objection) == ('Taza "gres"', 3, "say plate")


def test_reasoning_comes_first_and_may_be_long() -> None:
    value, repaired = parsed(json.dumps({"reasoning": "a" * 5000, "summary": "b"}), MarketAnswer)

    assert (value.summary, repaired) == ("b", False)

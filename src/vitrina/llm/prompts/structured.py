"""A model's answer as a checked object: parsed, repaired where only its form is broken, asked for again where not.

A repair mends form (a comma, a fence, prose around), never content: an answer that breaks off inside a text is asked
for again, since half a sentence would be shown as a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from vitrina.llm.prompts.errors import AnswerError
from vitrina.llm.prompts.reasoning import split
from vitrina.llm.prompts.rendering import Message
from vitrina.llm.prompts.tasks import asked_schema, first_mistake
from vitrina.llm.sampling import Sampling

ATTEMPTS = 3
QUOTED = 2000
"""Characters of a bad answer that the model sees again."""
LONGEST = 50_000
"""Characters of an answer that are looked at."""
DEEPEST = 16
"""Brackets within brackets; repairing takes minutes where thousands are open."""

T = TypeVar("T", bound=BaseModel)


class Spent(Protocol):
    """Tokens of one completion."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...


class Completed(Protocol):
    """What a chat gives back: `vitrina.llm.client.Completion`."""

    @property
    def text(self) -> str: ...
    @property
    def finish_reason(self) -> str: ...
    @property
    def usage(self) -> Spent: ...
    @property
    def model(self) -> str: ...


class Completes(Protocol):
    """Something that can be asked: `vitrina.llm.client.Chat`."""

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completed: ...


class Tokens(NamedTuple):
    """Tokens of all attempts together."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, spent: Spent) -> Tokens:
        """With those of one more attempt."""
        return Tokens(self.prompt_tokens + spent.prompt_tokens, self.completion_tokens + spent.completion_tokens)


class Structured(NamedTuple, Generic[T]):
    """A checked answer.

    Attributes:
        attempts: how often the model was asked.
        repaired: whether the form of the last answer was mended.
        objection: what `objects` still had against it.
    """

    value: T
    attempts: int
    repaired: bool
    usage: Tokens
    model: str
    objection: str | None = None


class NoAnswer(AnswerError):
    """No attempt gave a valid answer; what they cost is known all the same."""

    def __init__(self, message: str, usage: Tokens, attempts: int) -> None:
        super().__init__(message)
        self.usage, self.attempts = usage, attempts


class Unreadable(ValueError):
    """Why one answer cannot be used, in words that a model understands too."""


async def answered(
    chat: Completes,
    messages: Sequence[Message],
    sampling: Sampling,
    answer_model: type[T],
    attempts: int = ATTEMPTS,
    *,
    objects: Callable[[T], str | None] = lambda answer: None,
) -> Structured[T]:
    """Ask until the answer is valid, at most `attempts` times; each new question names what was wrong.

    Args:
        objects: what is wrong with a valid answer, if anything; then the model is asked again while there are attempts,
            and a last answer is given back with the objection.

    Raises:
        NoAnswer: when none was valid. Errors of the chat (`vitrina.llm.errors`) pass through.
    """
    usage, asked, mistake = Tokens(), list(messages), ""
    schema = asked_schema(answer_model)
    kept: Structured[T] | None = None
    for attempt in range(1, attempts + 1):
        completion = await chat.complete(asked, _drawn(sampling, attempt), schema)
        usage = usage.plus(completion.usage)
        try:
            value, repaired = parsed(completion.text, answer_model)
        except Unreadable as error:
            mistake = _why(error, completion)
        else:
            objection = objects(value)
            kept = Structured(value, attempt, repaired, usage, completion.model, objection)
            if objection is None:
                return kept
            mistake = objection
        asked = [*messages, *_again(completion.text, mistake)]
    if kept is not None:
        return kept._replace(attempts=attempts, usage=usage)
    times = "one attempt" if attempts == 1 else f"{attempts} attempts"
    raise NoAnswer(f"The model gave no valid answer in {times}; the last: {mistake}.", usage, attempts)


def parsed(text: str, answer_model: type[T]) -> tuple[T, bool]:
    """The object that an answer holds, and whether its form had to be mended.

    Raises:
        Unreadable: no JSON, JSON that breaks off inside a text, or not what was asked for.
    """
    text = text[:LONGEST].strip()
    mistake = "it holds no JSON object"
    for found, mended in _objects(text):
        try:
            return answer_model.model_validate(found), mended
        except ValidationError as error:
            mistake = first_mistake(error)
    raise Unreadable(mistake)


def _objects(text: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """What a text may mean: itself, what it wraps, and where it is no JSON what is left after mending; likeliest first.

    Raises:
        Unreadable: when the JSON breaks off inside a text.
    """
    try:
        value = _strict(text)
    except (ValueError, RecursionError):
        yield from ((each, True) for each in _unwrapped(_mended(text)))
        return
    if isinstance(value, Mapping):
        yield value, False
    yield from ((each, True) for each in _unwrapped(value) if each is not value)


def _unwrapped(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a value: a list's, largest first, and the one inside an object of one key (`answer`)."""
    listed = value if isinstance(value, list) else [value]
    objects = sorted((each for each in listed if isinstance(each, Mapping)), key=len, reverse=True)
    yield from objects
    for each in objects:
        inner = next(iter(each.values()), None)
        if len(each) == 1 and isinstance(inner, Mapping):
            yield inner


def _strict(text: str) -> Any:
    """JSON by the book, without NaN, which Python would take."""

    def refused(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refused)


def _mended(text: str) -> Any:
    import json_repair

    answer, _ = split(text)
    body = answer[answer.find("{") :] if "{" in answer else ""
    breaks_off, depth = _scanned(body)
    if breaks_off:
        raise Unreadable("it breaks off in the middle of a text")
    if not body or depth > DEEPEST:
        return None
    try:
        return json_repair.loads(body, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None


def _scanned(text: str) -> tuple[bool, int]:
    """Whether a JSON object's text ends inside a quoted string, and how deep its brackets nest."""
    depth, deepest, quoted, escaped = 0, 0, False, False
    for sign in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = sign == "\\", sign != '"'
        elif sign == '"':
            quoted = True
        elif sign in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                break
    return quoted, deepest


def _why(error: Unreadable, completion: Completed) -> str:
    return f"{error}, at the limit of tokens" if completion.finish_reason == "length" else str(error)


def _drawn(sampling: Sampling, attempt: int) -> Sampling:
    """The same seed would draw the same mistake."""
    if sampling.seed is None or attempt == 1:
        return sampling
    return sampling.model_copy(update={"seed": sampling.seed + attempt - 1})


def _again(answer: str, mistake: str) -> list[Message]:
    return [
        {"role": "assistant", "content": answer[:QUOTED] or "(nothing)"},
        {
            "role": "user",
            "content": f"This is not a valid answer: {mistake}. Answer again with the one JSON object that was asked "
            "for, whole and shorter, and nothing else.",
        },
    ]

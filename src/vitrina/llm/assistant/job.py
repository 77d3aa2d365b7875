"""One request on its way: what is asked, with which prompt, since when, and what it has cost so far."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from vitrina.contracts.http import Refusal
from vitrina.errors import VitrinaError
from vitrina.llm.assistant.failures import later
from vitrina.llm.assistant.messages import MarketRequest, Options
from vitrina.llm.assistant.prompt_book import PromptBook
from vitrina.llm.assistant.shop import Shop
from vitrina.llm.assistant.tokens import Counter
from vitrina.llm.prompts.checks import Finding, Knowledge
from vitrina.llm.prompts.prompt import Prompt
from vitrina.llm.prompts.rendering import Form, Message, render
from vitrina.llm.prompts.tasks import Task
from vitrina.llm.prompts.variables import Answer, Variables
from vitrina.llm.sampling import Sampling


class Spent(NamedTuple):
    """Tokens of a prompt and of its answer."""

    prompt_tokens: int
    completion_tokens: int


NOTHING = Spent(0, 0)


@dataclass
class Job:
    """A request with its prompt rendered.

    Attributes:
        tokens: the prompt's, as far as they are known beforehand.
        user: a digest of the user's id.
        knowledge: what the shop's catalogue tells of its attributes.
        reasoning: the caller wants to see it.
        first_token: seconds until it came.
    """

    task: Task
    inputs: Variables
    prompt: Prompt
    variant: str
    sampling: Sampling
    messages: list[Message]
    tokens: int
    caller: str
    user: str | None
    request_id: str
    knowledge: Knowledge | None = None
    reasoning: bool = False
    started: float = field(default_factory=time.perf_counter)
    first_token: float | None = None
    spent: Spent = NOTHING

    @property
    def most(self) -> Spent:
        """What one attempt may use."""
        return Spent(self.tokens, self.sampling.max_tokens)

    @property
    def seconds(self) -> float:
        """Since it was asked."""
        return time.perf_counter() - self.started

    def charge(self, usage: tuple[int, int]) -> None:
        """State what the server says that it cost; where it says nothing, what is known stands."""
        if any(usage):
            self.spent = Spent(*usage)

    def check(self, answer: Answer) -> list[Finding]:
        """What is wrong with an answer."""
        return self.task.check(self.inputs, answer, self.knowledge)

    def objection(self, answer: Answer) -> str | None:
        """A reason not to show an answer, if there is one."""
        return next((each.detail for each in self.check(answer) if each.severity == "error"), None)


class Desk:
    """Makes jobs of requests."""

    def __init__(self, book: PromptBook, shop: Shop, count: Counter, context: int, examples: int) -> None:
        """`context`: tokens that prompt and answer may have together; `examples`: products shown to the model."""
        self._book, self._shop, self._count = book, shop, count
        self._context, self._examples = context, examples

    def job(self, task: Task, request: Variables, caller: str, request_id: str) -> Job:
        """The job of a request, whose type is the task's inputs with `Options`.

        Raises:
            Refusal: 422 when prompt and answer do not fit into the context, 503 when the prompt cannot be rendered.
        """
        assert isinstance(request, Options)
        started = time.perf_counter()
        inputs = task.inputs.model_construct(**{name: getattr(request, name) for name in task.inputs.model_fields})
        prompt, variant = self._book.of(task.name, request.user_id)
        wished = request.sampling.model_dump(exclude_unset=True) if request.sampling else {}
        sampling = prompt.sampling.model_copy(update=wished)
        messages, tokens = self._rendered(prompt, inputs, sampling, "text" if request.stream else "json")
        return Job(
            task,
            inputs,
            prompt,
            variant,
            sampling,
            messages,
            tokens,
            caller,
            _digest(request.user_id),
            request_id,
            knowledge=self._shop.knowledge,
            reasoning=isinstance(request, MarketRequest) and request.reasoning,
            started=started,
        )

    def _rendered(self, prompt: Prompt, inputs: Variables, sampling: Sampling, form: Form) -> tuple[list[Message], int]:
        """The messages and how many tokens they have; with examples where there is room for them."""
        room = self._context - sampling.max_tokens
        self._must_fit(self._count.of(inputs.model_dump_json(exclude_defaults=True)), sampling)
        examples = self._shop.examples_for(inputs, self._examples)
        try:
            messages = render(prompt, inputs, examples, form=form)
            if examples and self._count(messages) > room:
                messages = render(prompt, inputs, form=form)
        except VitrinaError as error:
            raise later(str(error), 30) from error  # the template's fault: another version must be put into production
        tokens = self._count(messages)
        self._must_fit(tokens, sampling)
        return messages, tokens

    def _must_fit(self, tokens: int, sampling: Sampling) -> None:
        if tokens + sampling.max_tokens > self._context:
            raise Refusal(
                422,
                f"The request is too long: about {tokens:,} tokens, and {sampling.max_tokens:,} for the answer, do not "
                f"fit into the model's context of {self._context:,}.",
            )


def _digest(user: str | None) -> str | None:
    """What tells users apart without naming them."""
    return None if user is None else hashlib.blake2b(user.encode(), digest_size=8, person=b"vitrina").hexdigest()

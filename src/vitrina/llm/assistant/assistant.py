"""The assistant: a request in, an answer or a stream of events out, whatever the language model does meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from vitrina.contracts.http import Refusal
from vitrina.errors import ServiceError
from vitrina.llm.assistant.admission import Admission
from vitrina.llm.assistant.budget import Accounts, Reservation
from vitrina.llm.assistant.failures import FAILURES, later, reason, refusal
from vitrina.llm.assistant.job import Desk, Job, Spent
from vitrina.llm.assistant.messages import Answered, RecommendRequest
from vitrina.llm.assistant.metrics import AssistantTelemetry
from vitrina.llm.assistant.peers import Describer, RecommenderClient
from vitrina.llm.assistant.results import Result, concluded, failed
from vitrina.llm.assistant.settings import AssistantSettings
from vitrina.llm.assistant.shown import Shown, presentable
from vitrina.llm.assistant.tokens import Counter
from vitrina.llm.client import Chat, Completion
from vitrina.llm.errors import LLMBusy, LLMInterrupted, LLMRefused, LLMUnavailable
from vitrina.llm.prompts.errors import AnswerError
from vitrina.llm.prompts.structured import NoAnswer, Structured, answered
from vitrina.llm.prompts.tasks import Task
from vitrina.llm.prompts.variables import Answer, DescribeInputs, RecommendAnswer
from vitrina.serving.operation import Call
from vitrina.serving.streaming import Event, Stream

logger = logging.getLogger("vitrina.llm")

OPENED = Event("opened", None)
"""Comes before the first event of a stream and is not sent: until then a failure is an ordinary error."""


class Assistant:
    """Answers the four tasks. Lives in one event loop; one a process."""

    def __init__(
        self,
        chat: Chat,
        settings: AssistantSettings,
        *,
        desk: Desk,
        count: Counter,
        accounts: Accounts,
        telemetry: AssistantTelemetry,
        describer: Describer | None = None,
        recommender: RecommenderClient | None = None,
    ) -> None:
        """`describer` stands in when the model is away; `recommender` is where candidates come from."""
        self._chat = chat
        self._settings = settings
        self._desk = desk
        self._count = count
        self._accounts = accounts
        self._telemetry = telemetry
        self._describer = describer
        self._recommender = recommender
        self._retries = 0
        self._admission = Admission(settings.running, settings.waiting, settings.wait_seconds, telemetry.places)

    async def answer(self, task: Task, call: Call) -> Answered[Any] | Stream:
        """The answer to a request, or its stream.

        Raises:
            Refusal: 422 for what does not fit, 429 for a spent budget or a full queue, 503 when nothing can answer.
        """
        request: Any = call.request
        if isinstance(request, RecommendRequest) and not request.candidates:
            request = await self._with_candidates(request, call.request_id)
        job = self._desk.job(task, request, call.caller, call.request_id)
        if not request.stream:
            return await self._whole(job, call)
        events = self._events(job, call)
        await anext(events)
        return Stream(events)

    async def _with_candidates(self, request: RecommendRequest, request_id: str) -> RecommendRequest:
        if self._recommender is None:
            raise Refusal(422, "Give `candidates`: this service knows no recommender to ask for them.")
        try:
            found = await self._recommender.candidates(request, request_id)
        except ServiceError as error:
            raise later(str(error), 2) from error
        if not found:
            raise Refusal(422, "The recommender has no product that passes `category`, `exclude` and the budget.")
        return request.model_copy(update={"candidates": list(found)})

    async def _whole(self, job: Job, call: Call) -> Answered[Any]:
        try:
            async with self._spending(job), asyncio.timeout(self._settings.seconds):
                found = await self._generated(job)
            result = await self._presented(job, found.value, found.model, found.attempts, found.repaired)
        except FAILURES as error:
            result = await self._instead(job, call, error)
        return concluded(job, result, self._telemetry, call.log)

    async def _generated(self, job: Job) -> Structured[Answer]:
        """What the model answers; asked again where the answer is not valid or a check objects."""
        schema, attempts = job.task.answer, self._settings.attempts
        try:
            found = await answered(self._chat, job.messages, job.sampling, schema, attempts, objects=job.objection)
        except NoAnswer as error:
            job.charge(error.usage)
            self._telemetry.attempted(job.task.name, error.attempts)
            raise
        job.charge(found.usage)
        return found

    async def _events(self, job: Job, call: Call) -> AsyncGenerator[Event]:
        """`OPENED`, tokens, then `done` with the whole; its answer counts, also where it differs from the tokens."""
        shown = Shown(job)
        try:
            async with self._spending(job), aclosing(self._chat.stream(job.messages, job.sampling)) as pieces:
                async for piece in pieces:
                    if job.first_token is None:
                        self._opened(job)
                        yield OPENED
                    if isinstance(piece, Completion):
                        whole = piece
                        job.charge(piece.usage)
                    else:
                        job.spent = Spent(job.tokens, job.spent.completion_tokens + 1)
                        if text := shown.feed(piece):
                            yield _token(text)
            if text := shown.finish():
                yield _token(text)
            result = await self._presented(job, job.task.read_text(job.inputs, whole.text), whole.model)
        except FAILURES as error:
            result = await self._instead(job, call, error)
            if job.first_token is None:
                yield OPENED
                yield _token(job.task.as_text(result.answer))
        yield Event("done", concluded(job, result, self._telemetry, call.log))

    def _opened(self, job: Job) -> None:
        """The first piece has come."""
        job.first_token = job.seconds
        job.spent = Spent(job.tokens, 0)
        self._telemetry.first_token(job.task.name, job.started)

    async def _presented(
        self, job: Job, answer: Answer, model: str, attempts: int = 1, repaired: bool = False
    ) -> Result:
        """An answer as it may be shown; a description that a check objects to is the describer's where it can be."""
        answer, findings = presentable(job, answer)
        if isinstance(answer, RecommendAnswer) and not answer.recommendations:
            raise AnswerError("The language model recommended none of the candidates.")
        result = Result(answer, findings, model, attempts=attempts, repaired=repaired)
        if result.acceptable:
            return result
        replaced = await self._described(job, "checks", attempts)
        if replaced is not None:
            self._telemetry.checked(job.task.name, findings)
        return replaced or result

    async def _instead(self, job: Job, call: Call, error: BaseException) -> Result:
        """What answers when the model did not.

        Raises:
            Refusal: when nothing can.
        """
        # While the circuit is open all requests fail alike, and the failures that opened it are in the log already.
        repeated = self._chat.breaker.state == "open" and getattr(error, "retry_after", None) is not None
        logger.log(logging.DEBUG if repeated else logging.WARNING, "Request %s: %s", job.request_id, error)
        found = await self._described(job, reason(error))
        if found is None:
            failed(job, self._telemetry, call.log)
            raise refusal(error, self._settings.seconds, self._chat.endpoint.url) from error
        return found

    async def _described(self, job: Job, why: str, attempts: int = 0) -> Result | None:
        """The describer's description; None where it cannot give one."""
        if self._describer is None or not isinstance(job.inputs, DescribeInputs):
            return None
        try:
            answer, version = await self._describer.describe(job.inputs, job.request_id)
        except ServiceError as error:
            logger.warning("Request %s: %s", job.request_id, error)
            return None
        return Result(
            answer,
            job.check(answer),
            "product_describer",
            version,
            attempts,
            fallback="product_describer",
            fallback_reason=why,
            escaped=True,
        )

    @asynccontextmanager
    async def _spending(self, job: Job) -> AsyncIterator[None]:
        """A place to run in, paid from the caller's account: what it costs stands in `job.spent` at the end."""
        reserved = self._reserved(job)
        try:
            async with self._admission.place():
                job.spent = job.most  # where nobody says otherwise: a client that left, an answer out of time
                yield
        except (LLMUnavailable, LLMBusy, LLMRefused):
            job.spent = Spent(0, 0)
            raise
        except LLMInterrupted as error:
            job.spent = Spent(job.tokens, self._count.of(error.text))
            raise
        except (asyncio.CancelledError, GeneratorExit):
            self._telemetry.ended(job.task.name, job.variant, "left", job.started)
            raise
        finally:
            await asyncio.shield(self._settled(job, reserved))

    def _reserved(self, job: Job) -> Reservation:
        """On the event loop: it takes a tenth of a millisecond, a thread and back takes more before the first token."""
        try:
            return self._accounts.reserve(job.caller, sum(job.most))
        except ServiceError as error:
            raise later(str(error), 5) from error

    async def _settled(self, job: Job, reserved: Reservation) -> None:
        self._telemetry.spent(job.task.name, job.caller, *job.spent)
        self._telemetry.chat(self._chat.breaker.state, self._chat.retries - self._retries)
        self._retries = self._chat.retries
        try:
            await asyncio.to_thread(self._accounts.settle, reserved, sum(job.spent))
        except ServiceError as error:  # the answer is worth more than its accounting
            logger.error("%s", error)


def _token(text: str) -> Event:
    return Event("token", {"text": text})

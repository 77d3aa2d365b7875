"""The client of an OpenAI-compatible server, such as vLLM: OpenAI's own, with time limits, retries and a breaker.

Before the first token a call may be tried again: with exponential back-off and full jitter, or when the server says
(Retry-After), always within the time limit. After it, an answer that breaks off is an error that carries its text.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from vitrina.llm.breaker import Breaker
from vitrina.llm.completion import Arriving, Completion, Usage, completion
from vitrina.llm.endpoint import Endpoint
from vitrina.llm.errors import LLMBusy, LLMError, LLMInterrupted, LLMRefused, LLMUnavailable
from vitrina.llm.sampling import Sampling
from vitrina.llm.translation import failures, translated

__all__ = ["Chat", "Completion", "Endpoint", "Sampling", "Usage"]

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
"""Seconds: before the first retry at most, and before any."""


class Chat:
    """Conversations with one endpoint: one a process, safe for concurrent use in one event loop.

    Attributes:
        retries: how often a call was tried again, since the start.
        breaker: its circuit breaker.
    """

    def __init__(self, endpoint: Endpoint, *, breaker: Breaker | None = None) -> None:
        from openai import AsyncOpenAI, Timeout

        logging.getLogger("openai").setLevel(logging.INFO)  # below that it writes prompts
        self.endpoint = endpoint
        self.breaker = breaker or Breaker()
        self.retries = 0
        self._model = endpoint.model
        self._refused_schemas: set[str] = set()
        key = endpoint.key.get_secret_value() if endpoint.key else None
        self._client = AsyncOpenAI(
            base_url=endpoint.url,
            api_key=key or "none",  # the client wants one; a server that wants none ignores it
            timeout=Timeout(endpoint.total_timeout, connect=endpoint.connect_timeout),
            max_retries=0,
        )

    async def complete(
        self, messages: Sequence[Mapping[str, object]], sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        """The whole answer. `schema`: JSON schema that the server is asked to hold to, where it can.

        Raises:
            LLMUnavailable, LLMBusy, LLMRefused: see `vitrina.llm.errors`.
        """
        self._check_length(messages)
        deadline = time.monotonic() + self.endpoint.total_timeout
        known = json.dumps(schema, sort_keys=True)
        if schema is None or known in self._refused_schemas:
            return await self._retried(partial(self._asked, messages, sampling), deadline)
        try:
            return await self._retried(partial(self._asked, messages, sampling, schema), deadline)
        except LLMRefused as error:
            if error.reason != "request":
                raise
            answer = await self._retried(partial(self._asked, messages, sampling), deadline)
            self._refused_schemas.add(known)  # it was the schema: without it the same request is answered
            return answer

    async def stream(
        self, messages: Sequence[Mapping[str, object]], sampling: Sampling
    ) -> AsyncGenerator[str | Completion]:
        """The answer's pieces as they come, then the whole. Leave early with `aclosing`: it ends the generation.

        Raises:
            LLMUnavailable, LLMBusy, LLMRefused: before the first piece.
            LLMInterrupted: after it, when the stream breaks off or takes longer than `total_timeout`.
        """
        self._check_length(messages)
        now = time.monotonic()
        deadline = now + self.endpoint.total_timeout
        first = min(deadline, now + self.endpoint.first_token_timeout)
        answer = await self._retried(partial(self._begun, messages, sampling), first)
        piece: str | None = answer.text
        try:
            while piece is not None:
                if piece:
                    yield piece
                piece = await self._piece(answer, deadline)
        finally:
            await answer.close()
        yield answer.whole()

    async def models(self) -> list[str]:
        """Names of the models that the server lists."""
        return await self._retried(self._listed, time.monotonic() + self.endpoint.first_token_timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _listed(self) -> list[str]:
        page = await self._client.models.list()
        return [model.id for model in page.data]

    def _check_length(self, messages: Sequence[Mapping[str, object]]) -> None:
        characters = sum(len(str(message["content"])) for message in messages)
        if characters > self.endpoint.max_characters:
            raise LLMRefused(
                f"The prompt has {characters:,} characters; a language model gets {self.endpoint.max_characters:,} "
                "at most.",
                reason="context",
            )

    async def _arguments(self, messages: Sequence[Mapping[str, object]], sampling: Sampling) -> dict[str, Any]:
        if self._model is None:
            listed = await self._listed()
            if not listed:
                raise LLMRefused(f"{self.endpoint.url} lists no model: name one (VITRINA_LLM_MODEL).", reason="model")
            self._model = listed[0]
        return {"model": self._model, "messages": list(messages), **sampling.model_dump(exclude_none=True)}

    async def _asked(
        self, messages: Sequence[Mapping[str, object]], sampling: Sampling, schema: dict[str, Any] | None = None
    ) -> Completion:
        arguments = await self._arguments(messages, sampling)
        if schema is not None:
            wanted = {"name": "answer", "schema": schema}
            arguments["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return completion(await self._client.chat.completions.create(**arguments))

    async def _begun(self, messages: Sequence[Mapping[str, object]], sampling: Sampling) -> Arriving:
        """A stream that has given its first text, or ended without any."""
        arguments = await self._arguments(messages, sampling)
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = Arriving(await self._client.chat.completions.create(**arguments))
        try:
            while await answer.more() == "":
                pass
        except BaseException:
            await answer.close()
            raise
        return answer

    async def _piece(self, answer: Arriving, deadline: float) -> str | None:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await answer.more()
        except TimeoutError:
            seconds = self.endpoint.total_timeout
            reason = f"The language model at {self.endpoint.url} did not end its answer within {seconds:g} s."
        except failures() as error:
            reason = f"The answer broke off. {translated(error, self.endpoint)}"
            self.breaker.failed()
        raise LLMInterrupted(reason, text=answer.text) from None

    async def _retried(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
        """The first attempt's result that is one, before `deadline` (`time.monotonic()`)."""
        seconds = deadline - time.monotonic()
        number = 0
        while True:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    return await self._tried(attempt)
            except TimeoutError:
                self.breaker.failed()
                message = f"The language model at {self.endpoint.url} did not answer within {seconds:.3g} s."
                raise LLMUnavailable(message) from None
            except (LLMUnavailable, LLMBusy) as error:
                pause = _pause(number, error.retry_after)
                number += 1
                hopeless = self.breaker.state == "open" or time.monotonic() + pause >= deadline
                if hopeless or number > self.endpoint.retries:
                    raise
            self.retries += 1
            await asyncio.sleep(pause)

    async def _tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One attempt, as the breaker allows; what goes wrong in our errors."""
        wait = self.breaker.admit()
        if wait > 0:
            message = f"The language model at {self.endpoint.url} failed repeatedly and is left alone for {wait:.0f} s."
            raise LLMUnavailable(message, retry_after=wait)
        try:
            result = await attempt()
        except LLMError:
            self.breaker.abandoned()  # refused before it was sent
            raise
        except failures() as error:
            failure = translated(error, self.endpoint)
        except BaseException:
            self.breaker.abandoned()
            raise
        else:
            self.breaker.succeeded()
            return result
        if isinstance(failure, LLMUnavailable):
            self.breaker.failed()
        else:
            self.breaker.succeeded()  # it is there, and said no
        raise failure from None  # OpenAI's error holds the request, and with it the key


def _pause(number: int, asked: float | None) -> float:
    """Seconds before retry `number` (from 0): what the server asked for and a little, or exponential with full jitter.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    jitter = random.uniform(0, min(FIRST_PAUSE * 2**number, LONGEST_PAUSE))
    return jitter if asked is None else asked + min(jitter, 0.1 * asked)

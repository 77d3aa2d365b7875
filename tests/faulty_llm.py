"""A proxy in front of a real language model's server that makes faults on command; all else is the server's own.

with faulty(llm_server) as proxy:
    proxy.faults.busy = 2          # the next two completions are answered 429
    Chat(Endpoint(url=proxy.url))
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.listening import listening
from tests.llm_server import LLMServer

CORRUPTIONS = ("truncated", "trailing comma", "prose around", "code fence", "wrong type")


@dataclass
class Faults:
    """What goes wrong with completions from now on; the defaults: nothing.

    `ready_at`: until then (`time.monotonic()`) everything is answered 503. `busy`: so many completions are answered
    429, with `retry_after`. `key`: the one that is taken, others get 401. `context`: tokens of prompt and answer, more
    get vLLM's 400. `refuses_format`: response_format gets 400. `latency`: seconds before anything is sent.
    `dies_after`: a stream's connection is closed after so many events. `endless`: a stream repeats its text for ever.
    `silent`: it opens and says nothing. `corrupted`: share of whole answers whose JSON is broken, in turn as
    CORRUPTIONS say. `lists_nothing`: no models. `says`: what whole answers are replaced by.
    `metrics`: the text of /metrics.
    """

    ready_at: float = 0.0
    busy: int = 0
    retry_after: str | None = None
    key: str | None = None
    context: int | None = None
    refuses_format: bool = False
    latency: float = 0.0
    dies_after: int | None = None
    endless: bool = False
    silent: bool = False
    lists_nothing: bool = False
    corrupted: float = 0.0
    says: str | None = None
    metrics: str | None = None


@dataclass
class FaultyLLM:
    """The proxy. `url` is what a client gets; `completions` the bodies that arrived, `open_streams` those that run."""

    server: LLMServer
    url: str = ""
    faults: Faults = field(default_factory=Faults)
    completions: list[dict[str, Any]] = field(default_factory=list)
    open_streams: int = 0
    _luck: random.Random = field(default_factory=lambda: random.Random(7))
    _corrupted: int = 0

    @property
    def root(self) -> str:
        """The server's own address, without /v1."""
        return self.url.removesuffix("/v1")

    @property
    def model(self) -> str:
        """The name to ask for."""
        return self.server.model

    def application(self) -> Starlette:
        """The proxy, as ASGI."""
        routes = [
            Route("/v1/chat/completions", self._completions, methods=["POST"]),
            Route("/metrics", self._metrics),
            Route("/{path:path}", self._passed, methods=["GET"]),
        ]
        return Starlette(routes=routes)

    async def _passed(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"{self.server.root}{request.url.path}")
        if request.url.path == "/v1/models" and self.faults.lists_nothing:
            return JSONResponse({"object": "list", "data": []})
        if request.url.path == "/v1/models" and self.faults.context:
            models = [model | {"max_model_len": self.faults.context} for model in answer.json()["data"]]
            return JSONResponse({"object": "list", "data": models})
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    async def _metrics(self, request: Request) -> Response:
        text = self.faults.metrics
        return PlainTextResponse("Not Found", 404) if text is None else PlainTextResponse(text)

    async def _completions(self, request: Request) -> Response:
        body = await request.json()
        self.completions.append(body)
        if refusal := self._refusal(request) or self._too_busy() or self._objection(body):
            return refusal
        await asyncio.sleep(self.faults.latency)
        if body.get("stream"):
            return StreamingResponse(self._streamed(body), media_type="text/event-stream")
        async with httpx.AsyncClient(timeout=120) as client:
            answer = await client.post(f"{self.server.url}/chat/completions", json=body)
        if not answer.is_success:
            return Response(answer.content, answer.status_code, media_type="application/json")
        return JSONResponse(self._changed(answer.json()))

    def _refusal(self, request: Request) -> Response | None:
        if time.monotonic() < self.faults.ready_at:
            return JSONResponse({"error": {"message": "The model is loading", "code": 503}}, 503)
        guarded = self.faults.key and request.url.path.startswith("/v1/")  # as vLLM does
        if guarded and request.headers.get("authorization") != f"Bearer {self.faults.key}":
            sent = request.headers.get("authorization", "")
            return JSONResponse({"error": {"message": f"Incorrect API key: {sent}", "code": 401}}, 401)
        return None

    def _too_busy(self) -> Response | None:
        if self.faults.busy == 0:
            return None
        self.faults.busy -= 1
        headers = {} if self.faults.retry_after is None else {"retry-after": self.faults.retry_after}
        return JSONResponse({"error": {"message": "Too many requests", "code": 429}}, 429, headers)

    def _objection(self, body: dict[str, Any]) -> Response | None:
        message = None
        if self.faults.refuses_format and "response_format" in body:
            message = "response_format is not supported"
        if self.faults.context:
            prompt = self.server.tokens("\n".join(str(said["content"]) for said in body["messages"]))
            wanted = prompt + int(body.get("max_tokens") or 0)
            if wanted > self.faults.context:
                message = (
                    f"This model's maximum context length is {self.faults.context} tokens. However, you requested "
                    f"{wanted} tokens ({prompt} in the messages, {wanted - prompt} in the completion). Please reduce "
                    "the length of the messages or completion."
                )
        if message is None:
            return None
        return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": 400}}, 400)

    async def _streamed(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        """The server's events, until the fault; a client that leaves ends the server's stream too."""
        self.open_streams += 1
        said = b""
        try:
            while self.faults.silent:
                await asyncio.sleep(0.05)
            async for number, event in self._events(body):
                if number == self.faults.dies_after:
                    raise ConnectionResetError("a fault that a test asked for")
                if self.faults.endless and b'"finish_reason"' in event:
                    break
                said = event if b'"content"' in event else said
                yield event
            while self.faults.endless:
                await asyncio.sleep(0.005)
                yield said
        finally:
            self.open_streams -= 1

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[tuple[int, bytes]]:
        number = 0
        async with (
            httpx.AsyncClient(timeout=120) as client,
            client.stream("POST", f"{self.server.url}/chat/completions", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                if line:
                    yield number, line.encode() + b"\n\n"
                    number += 1

    def _changed(self, answer: dict[str, Any]) -> dict[str, Any]:
        message = answer["choices"][0]["message"]
        if self.faults.says is not None:
            message["content"] = self.faults.says
        if self._luck.random() < self.faults.corrupted:
            message["content"] = corrupted(message["content"], CORRUPTIONS[self._corrupted % len(CORRUPTIONS)])
            self._corrupted += 1
        return answer


def corrupted(text: str, how: str) -> str:
    """Broken JSON, as language models break it; `wrong type` leaves a text that is no JSON as it is."""
    if how == "wrong type":
        try:
            return json.dumps(dict.fromkeys(json.loads(text), 7))
        except (ValueError, TypeError):
            return text
    return {
        "truncated": text[: len(text) // 2],
        "trailing comma": f"{text.rstrip().removesuffix('}')},}}",
        "prose around": f"Sure! Here is what you asked for:\n{text}\nI hope that it helps.",
        "code fence": f"```json\n{text}\n```",
    }[how]


@contextmanager
def faulty(server: LLMServer) -> Iterator[FaultyLLM]:
    """The proxy, listening on a port of its own."""
    proxy = FaultyLLM(server)
    with listening(proxy.application()) as root:
        proxy.url = f"{root}/v1"
        yield proxy

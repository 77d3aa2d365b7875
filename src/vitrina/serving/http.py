"""The HTTP face of a served model: a lean ASGI application, put in front of BentoML's own as a middleware.

BentoML's request path costs 0.3–1 ms a request; the student's whole prediction costs less. The routes of the HTTP
contract are therefore answered here, and only BentoML's own pages are passed on.
"""

from __future__ import annotations

import gc
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from vitrina.contracts.http import ErrorBody, Refusal
from vitrina.serving.errors import read_query
from vitrina.serving.forms import boundary_of, decode_form
from vitrina.serving.messages import decoder_of, encode
from vitrina.serving.openapi import document
from vitrina.serving.operation import Call, Endpoint, Operation, Reply
from vitrina.serving.routes import Handler, Route, Routes
from vitrina.serving.security import ApiKeys
from vitrina.serving.service import ModelService, Service
from vitrina.serving.streaming import EVENT_STREAM, HEADERS, ClientLeft, Receive, Send, Stream, send_events, while_there

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, bytes, bytes]
"""Status, content type and body."""
Headers = tuple[tuple[bytes, bytes], ...]
Predict = Callable[[Operation, Any, str], Awaitable[Any]]

logger = logging.getLogger("vitrina.serving")

JSON = b"application/json"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
PASSED_ON = ("/static_content/", "/assets/")
LEFT = 499
"""Counted for a client that left before its answer; never sent."""


class HttpService:
    """Middleware that answers the contract's routes and hands the rest (BentoML's index page) to `app`."""

    def __init__(self, app: Application, build: Callable[[], Service], api_keys: str = "") -> None:
        """`build` makes the service; it runs in the worker, at start-up."""
        self._app = app
        self._service = build()
        self._keys = ApiKeys(api_keys)
        self._document = encode(document(self._service, bool(self._keys)))
        self._routes = Routes()
        if isinstance(self._service, ModelService):
            for operation in self._service.operations:
                self._routes.add("POST", operation.path, self._operation(operation, self._service.predict))
        for endpoint in self._service.endpoints:
            self._routes.add(endpoint.method, endpoint.path, self._endpoint(endpoint))
        for path, page in self._pages().items():
            for method in ("GET", "HEAD"):
                self._routes.add(method, path, _page(page), keyed=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith(PASSED_ON):
            await self._app(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._service.start()
        # What is alive now stays: without this, each full collection walks BentoML's modules and stalls every request.
        gc.collect()
        gc.freeze()
        try:
            await self._app(scope, receive, send)
        finally:
            self._service.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request_id = _request_id(scope["headers"])
        route, parameters = self._routes.find(scope["path"])
        headers: Headers = ((b"x-request-id", request_id.encode()),)
        try:
            handler = self._handler(route, scope)
            answer = await handler(scope, receive, request_id, parameters)
        except ClientLeft:
            answer = None
        except Exception as error:
            refusal = self._refusal(error, request_id)
            answer, headers = (refusal.status, JSON, refusal.body()), (*headers, *refusal.headers)
        if isinstance(answer, Stream):
            status = await self._stream(answer, request_id, headers, receive, send)
        else:
            status = LEFT if answer is None else await _send(send, answer, headers, scope["method"])
        name = route.path if route is not None else "other"
        self._service.telemetry.answered(name, status, perf_counter() - started)

    async def _stream(self, stream: Stream, request_id: str, headers: Headers, receive: Receive, send: Send) -> int:
        """Send the events of a stream; from here on a failure is an event too."""

        def failed(error: Exception) -> ErrorBody:
            return self._refusal(error, request_id).error()

        start = {"type": "http.response.start", "status": 200}
        try:
            async with while_there(receive):
                await send(start | {"headers": [*headers, *HEADERS, (b"content-type", EVENT_STREAM)]})
                await send_events(stream, failed, send)
        except ClientLeft:
            return LEFT
        return 200

    def _refusal(self, error: Exception, request_id: str) -> Refusal:
        """What the caller is told of an error; one that nobody foresaw is logged."""
        if isinstance(error, Refusal):
            return error
        logger.error("Request %s failed.", request_id, exc_info=error)
        return Refusal(500, "The service failed to answer; see its log.")

    def _handler(self, route: Route | None, scope: Scope) -> Handler:
        """What answers the request, if it may be answered."""
        if route is None:
            raise Refusal(404, f"There is no route {scope['path']}.")
        handler = route.handlers.get(scope["method"])
        if handler is None:
            allowed = route.allowed()
            raise Refusal(405, f"{route.path} takes {allowed} only.", headers=((b"allow", allowed.encode()),))
        if route.keyed and self._keys and not self._keys.allow(scope["headers"]):
            challenge = ((b"www-authenticate", b"Bearer"),)
            raise Refusal(401, "An API key is needed: X-API-Key or Authorization: Bearer.", headers=challenge)
        return handler

    def _operation(self, operation: Operation, predict: Predict) -> Handler:
        decode = decoder_of(operation.request)

        async def handler(scope: Scope, receive: Receive, request_id: str, parameters: Mapping[str, str]) -> Answer:
            body = await _body(scope, receive, operation.limit)
            boundary = boundary_of(scope["headers"]) if operation.form else None
            request = decode_form(operation.request, body, boundary) if boundary else decode(body)
            return 200, JSON, encode(await predict(operation, request, request_id))

        return handler

    def _endpoint(self, endpoint: Endpoint) -> Handler:
        decode = decoder_of(endpoint.request) if endpoint.request else None
        names = [name.lower() for name in endpoint.headers]
        service, keys = self._service, self._keys

        async def handler(
            scope: Scope, receive: Receive, request_id: str, parameters: Mapping[str, str]
        ) -> Answer | Stream:
            call = Call(
                request_id=request_id,
                request=decode(await _body(scope, receive, endpoint.limit)) if decode else None,
                parameters=parameters,
                query=read_query(endpoint.query, scope["query_string"]) if endpoint.query else None,
                headers=_named(scope["headers"], names),
                model=service.model,
                log=service.log.append,
                caller=keys.caller(scope["headers"]),
            )
            async with while_there(receive) if endpoint.streams else nullcontext():
                answer = await service.call(endpoint, call)
            if isinstance(answer, Stream):
                return answer
            if isinstance(answer, Reply):
                return answer.status, JSON, encode(answer.answer)
            return endpoint.status, JSON, b"" if answer is None else encode(answer)

        return handler

    def _pages(self) -> dict[str, Callable[[], Answer]]:
        """What is open to all and needs no model: path → page."""
        return {
            "/healthz": lambda: (200, JSON, b'{"status":"ok"}'),
            "/livez": lambda: (200, JSON, b'{"status":"ok"}'),
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/docs.json": lambda: (200, JSON, self._document),
        }

    def _ready(self) -> Answer:
        model, version = self._service.serves()
        return 200, JSON, encode({"status": "ready", "model": model, "version": version})

    def _metrics(self) -> Answer:
        telemetry = self._service.telemetry
        return 200, telemetry.content_type.encode(), telemetry.exposition()


async def _send(send: Send, answer: Answer, headers: Headers, method: str) -> int:
    status, kind, body = answer
    if status != 204:  # which has no body, and therefore says nothing about one
        headers = (*headers, (b"content-type", kind), (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": [*headers]})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
    return status


def _page(page: Callable[[], Answer]) -> Handler:
    async def handler(scope: Scope, receive: Receive, request_id: str, parameters: Mapping[str, str]) -> Answer:
        return page()

    return handler


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own identifier where it is a plain one, otherwise a new one."""
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex


def _named(headers: Iterable[tuple[bytes, bytes]], names: Iterable[str]) -> dict[str, str]:
    """The headers of these (lower-case) names."""
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers} if names else {}
    return {name: given[name] for name in names if name in given}


async def _body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        Refusal: 413 as soon as it is known to be longer than `limit` bytes.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The body is larger than {limit // 1024} KiB.")

"""The HTTP face of a served model: a lean ASGI application, put in front of BentoML's own as a middleware.

BentoML's request path costs 0.3–1 ms a request; the student's whole prediction costs less. The routes of the HTTP
contract are therefore answered here, and only BentoML's own pages are passed on.
"""

from __future__ import annotations

import gc
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

import msgspec

from vitrina.contracts.http import FeedbackRequest
from vitrina.serving.errors import Refusal, decode
from vitrina.serving.openapi import document
from vitrina.serving.security import ApiKeys
from vitrina.serving.service import ModelService

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[bytes, bytes]
"""Content type and body."""

logger = logging.getLogger("vitrina.serving")

MAX_BODY = 64 * 1024
JSON = b"application/json"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
PASSED_ON = ("/static_content/", "/assets/")
_encode = msgspec.json.Encoder().encode


class HttpService:
    """Middleware that answers the contract's routes and hands the rest (BentoML's index page) to `app`."""

    def __init__(self, app: Application, build: Callable[[], ModelService], api_keys: str = "") -> None:
        """`build` makes the service; it runs in the worker, at start-up."""
        self._app = app
        self._service = build()
        self._keys = ApiKeys(api_keys)
        operation = self._service.operation
        self._request = msgspec.json.Decoder(operation.request)
        self._feedback_request = msgspec.json.Decoder(FeedbackRequest)
        self._document = _encode(document(operation, bool(self._keys)))
        self._posts = {operation.path: self._predict, "/feedback": self._feedback}
        self._gets: dict[str, Callable[[], Answer]] = {
            "/healthz": self._alive,
            "/livez": self._alive,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/docs.json": lambda: (JSON, self._document),
        }

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
        status, kind = 200, JSON
        headers: tuple[tuple[bytes, bytes], ...] = ()
        try:
            kind, body = await self._dispatch(scope, receive, request_id)
        except Refusal as refusal:
            status, body, headers = refusal.status, refusal.body(), refusal.headers
        except Exception:
            logger.exception("Request %s failed.", request_id)
            status, body = 500, Refusal(500, "The service failed to answer; see its log.").body()
        start = {"type": "http.response.start", "status": status}
        start["headers"] = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            *headers,
        ]
        await send(start)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        known = scope["path"] in self._posts or scope["path"] in self._gets
        self._service.telemetry.answered(scope["path"] if known else "other", status, perf_counter() - started)

    async def _dispatch(self, scope: Scope, receive: Receive, request_id: str) -> Answer:
        path, method = scope["path"], scope["method"]
        post = self._posts.get(path)
        if post is not None:
            if method != "POST":
                raise _not_allowed(path, b"POST")
            if self._keys and not self._keys.allow(scope["headers"]):
                raise Refusal(
                    401,
                    "An API key is needed: X-API-Key or Authorization: Bearer.",
                    headers=((b"www-authenticate", b"Bearer"),),
                )
            return JSON, await post(await _body(scope, receive), request_id)
        get = self._gets.get(path)
        if get is None:
            raise Refusal(404, f"There is no route {path}.")
        if method not in ("GET", "HEAD"):
            raise _not_allowed(path, b"GET, HEAD")
        return get()

    async def _predict(self, body: bytes, request_id: str) -> bytes:
        return _encode(await self._service.predict(decode(self._request, body), request_id))

    async def _feedback(self, body: bytes, request_id: str) -> bytes:
        return _encode(self._service.feedback(decode(self._feedback_request, body)))

    def _alive(self) -> Answer:
        return JSON, b'{"status":"ok"}'

    def _ready(self) -> Answer:
        loaded = self._service.runtime.current
        if loaded is None:
            raise Refusal(503, f"No model is loaded: {self._service.runtime.error}")
        state = {"status": "ready", "model": loaded.source.model, "version": loaded.source.version}
        return JSON, _encode(state)

    def _metrics(self) -> Answer:
        telemetry = self._service.telemetry
        return telemetry.content_type.encode(), telemetry.exposition()


def _not_allowed(path: str, allowed: bytes) -> Refusal:
    return Refusal(405, f"{path} takes {allowed.decode()} only.", headers=((b"allow", allowed),))


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own identifier where it is a plain one, otherwise a new one."""
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex


async def _body(scope: Scope, receive: Receive) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise _too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _too_large()
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def _too_large() -> Refusal:
    return Refusal(413, f"The body is larger than {MAX_BODY // 1024} KiB.")

"""What a bento adds to the common service: its routes, their messages and how a prediction becomes an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel

from vitrina.serving.messages import Message
from vitrina.serving.runtime import Loaded

MAX_BODY = 64 * 1024


@dataclass(frozen=True)
class Operation:
    """A prediction route: POST, its requests run in batches on the service's one predictor.

    Attributes:
        path: its URL path.
        request: the type that bodies are decoded into.
        response: the type of the answer, for OpenAPI.
        predict: (predictor, requests) → one prediction per request, or a `Refusal` in place of one. The `label` of a
            prediction that has one is counted in the metrics.
        answer: (prediction, model, version, request_id) → the answer.
        example: a request that warms the model up and stands in the OpenAPI document.
        record: (request, prediction, model, version, request_id) → the line of the prediction log; None: not logged.
        limit: bytes a body may have.
        size: how many ordinary requests one counts for in a batch; default: one.
        warm: predictor → anything; timed in place of predicting `example` where a cache would answer the second time.
        together: how many requests run in a batch, one batch at a time, where many cost little more than one: what they
            read in memory is read once (recommendations of 100,000 products: 1.9 ms of processor time a request in
            batches of 16, 2.8 in batches of 8, 6.9 alone); default: as many as take about 20 ms one by one.
        blocking: `predict` waits for something else than the model (a cache server, an index): never on the event loop.
        form: bodies may also be multipart/form-data, whose file parts are the request's `bytes` fields.
    """

    method: ClassVar[str] = "POST"
    status: ClassVar[int] = 200
    also: ClassVar[tuple[int, ...]] = ()
    query: ClassVar[type[msgspec.Struct] | None] = None
    headers: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[bool] = False

    path: str
    request: type[msgspec.Struct]
    response: type[msgspec.Struct]
    predict: Callable[[Any, list[Any]], Sequence[Any]]
    answer: Callable[[Any, str, str, str], msgspec.Struct]
    example: msgspec.Struct
    record: Callable[[Any, Any, str, str, str], msgspec.Struct] | None = None
    limit: int = MAX_BODY
    size: Callable[[Any], int] | None = None
    warm: Callable[[Any], Any] | None = None
    together: int | None = None
    blocking: bool = False
    form: bool = False

    @property
    def summary(self) -> str:
        """One line for OpenAPI."""
        return (self.response.__doc__ or "").splitlines()[0]

    def warm_up(self, predictor: Any) -> None:
        """Run one request on `predictor`."""
        if self.warm is None:
            self.predict(predictor, [self.example])
        else:
            self.warm(predictor)


@dataclass(frozen=True)
class Call:
    """One request to an endpoint.

    Attributes:
        request: the decoded body, None where the endpoint takes none.
        parameters: the `{name}` parts of the path.
        query: the decoded query string, None where the endpoint takes none.
        headers: those that the endpoint asks for and the caller sent, by lower-case name.
        model: gives the model in use; raises Refusal 503 without one.
        log: appends a line to the prediction log.
        caller: a name of the caller's key that does not tell the key; empty where the service is open.
    """

    request_id: str
    request: Any
    parameters: Mapping[str, str]
    query: Any
    headers: Mapping[str, str]
    model: Callable[[], Loaded]
    log: Callable[[msgspec.Struct], None]
    caller: str = ""


@dataclass(frozen=True)
class Reply:
    """An endpoint's answer with another status than its own: 202 for what goes on in the background."""

    status: int
    answer: msgspec.Struct


@dataclass(frozen=True)
class Endpoint:
    """A route whose requests are answered one by one.

    Attributes:
        method: GET, POST, PUT or DELETE.
        path: its URL path; `{name}` stands for one part of it and becomes a parameter.
        summary: one line for OpenAPI.
        handle: `Call` → the answer (None: an empty body), or a `Reply`; raises `Refusal`. A coroutine function runs on
            the event loop, a plain one on the service's threads, where it may wait.
        response: the type of the answer, for OpenAPI; None: it has no body.
        request: the type of the body; None: there is none.
        query: the type of the query string, a flat struct; None: it is ignored.
        headers: names of the headers that `handle` reads.
        status: of a successful answer.
        also: statuses that a `Reply` may have instead.
        limit: bytes a body may have.
        example: a request for the OpenAPI document.
        streams: `handle` may answer a `Stream` of server-sent events, and is cancelled when its client leaves.
    """

    form: ClassVar[bool] = False

    method: str
    path: str
    summary: str
    handle: Callable[[Call], Any]
    response: Message | None
    request: Message | None = None
    query: type[msgspec.Struct] | None = None
    headers: tuple[str, ...] = ()
    status: int = 200
    also: tuple[int, ...] = ()
    limit: int = MAX_BODY
    example: msgspec.Struct | BaseModel | None = None
    streams: bool = False

"""A service of several operations and endpoints; its model is the tiny student, its routes are made here."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import pytest

from vitrina.contracts.http import Classification, ClassifyRequest, Refusal
from vitrina.families.intent_classifier import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Call, Endpoint, Operation
from vitrina.serving.service import ModelService

EXAMPLE = ClassifyRequest("where is my order?")


class Note(msgspec.Struct):
    """A note that a caller left."""

    text: Annotated[str, msgspec.Meta(max_length=200_000)]
    model: str = ""


class Window(msgspec.Struct):
    """Which part of a list is asked for."""

    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class Seen(msgspec.Struct):
    """What an endpoint was called with."""

    parameters: dict[str, str]
    offset: int
    limit: int
    headers: dict[str, str]
    thread: str


class Notes:
    """Endpoints with a little state, and a part of the service that counts its starts and stops."""

    def __init__(self) -> None:
        self.kept: dict[str, Note] = {}
        self.events: list[str] = []

    def start(self) -> None:
        self.events.append("start")

    def close(self) -> None:
        self.events.append("close")

    def put(self, call: Call) -> Note:
        note = Note(call.request.text, call.model().source.model)
        self.kept[call.parameters["name"]] = note
        return note

    def get(self, call: Call) -> Note:
        try:
            return self.kept[call.parameters["name"]]
        except KeyError:
            raise Refusal(404, f"There is no note {call.parameters['name']}.") from None

    def delete(self, call: Call) -> None:
        del self.kept[call.parameters["name"]]

    async def seen(self, call: Call) -> Seen:
        await asyncio.sleep(0)
        thread = threading.current_thread().name
        return Seen(dict(call.parameters), call.query.offset, call.query.limit, dict(call.headers), thread)

    def endpoints(self) -> list[Endpoint]:
        path = "/notes/{name}"
        return [
            Endpoint("PUT", path, "Keep a note.", self.put, Note, request=Note, status=202, limit=150_000),
            Endpoint("GET", path, "Read a note.", self.get, Note),
            Endpoint("DELETE", path, "Drop a note.", self.delete, None, status=204),
            Endpoint("GET", f"{path}/seen/{{part}}", "Look.", self.seen, Seen, query=Window, headers=("X-Colour",)),
        ]


def choosy(predictor: Any, requests: list[Any]) -> list[Any]:
    """Refuses what says so, and classifies the rest of the batch."""
    predictions = serving.classify(predictor, requests)
    refused = Refusal(409, "This text is not wanted.")
    return [refused if "refuse" in each.text else done for each, done in zip(requests, predictions, strict=True)]


OPERATIONS = [
    Operation("/logged", ClassifyRequest, Classification, serving.classify, serving.answer, EXAMPLE, serving.record),
    Operation("/choosy", ClassifyRequest, Classification, choosy, serving.answer, EXAMPLE, blocking=True),
]


@pytest.fixture
def notes() -> Notes:
    return Notes()


def several(source: Path, folder: Path, notes: Notes, queue: int = 100) -> ModelService:
    return ModelService(
        serving.load,
        OPERATIONS,
        notes.endpoints(),
        source=source,
        predictions=folder / "log",
        name="several",
        queue=queue,
        parts=[notes],
    )


@pytest.fixture
def service(notes: Notes, student_folder: Path, tmp_path: Path) -> Iterator[ModelService]:
    each = several(student_folder, tmp_path, notes)
    each.start()
    yield each
    each.close()


def calls(service: ModelService, *requests: tuple[str, str, dict[str, Any]], keys: str = "") -> list[httpx.Response]:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("passed on")

    async def main() -> list[httpx.Response]:
        transport = httpx.ASGITransport(HttpService(nothing, build=lambda: service, api_keys=keys))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await asyncio.gather(*(client.request(m, p, **options) for m, p, options in requests))

    return asyncio.run(main())


def call(service: ModelService, method: str, path: str, **options: Any) -> httpx.Response:
    return calls(service, (method, path, options))[0]


def test_operations_share_the_model_and_only_those_with_a_record_are_logged(service: ModelService) -> None:
    answers = [call(service, "POST", path, json={"text": "hello"}).json() for path in ("/logged", "/choosy")]
    assert answers[0]["version"] == answers[1]["version"]
    assert answers[0]["distribution"] == answers[1]["distribution"]
    service.log.flush()
    assert list(read_window(service.log.folder).frame["request_id"]) == [answers[0]["request_id"]]


def test_a_refusal_in_a_batch_reaches_its_own_request_only(service: ModelService) -> None:
    texts = ["a", "refuse b", "c", "refuse d"]
    responses = calls(service, *(("POST", "/choosy", {"json": {"text": text}}) for text in texts))
    assert [response.status_code for response in responses] == [200, 409, 200, 409]
    problem = {"code": "conflict", "message": "This text is not wanted.", "details": []}
    assert responses[1].json()["error"] == problem


def test_an_endpoint_answers_its_status_with_or_without_a_body(service: ModelService, notes: Notes) -> None:
    put = call(service, "PUT", "/notes/first%20one", json={"text": "keep me"})
    assert (put.status_code, put.json()["model"]) == (202, "several")
    assert list(notes.kept) == ["first one"]
    assert call(service, "GET", "/notes/first one").json() == put.json()
    gone = call(service, "DELETE", "/notes/first one")
    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-type" not in gone.headers
    assert call(service, "GET", "/notes/first one").status_code == 404


def test_a_coroutine_handler_gets_path_query_and_headers_on_the_event_loop(service: ModelService) -> None:
    seen = call(service, "GET", "/notes/a/seen/b?offset=3", headers={"x-colour": "red", "x-other": "blue"}).json()
    assert seen == {
        "parameters": {"name": "a", "part": "b"},
        "offset": 3,
        "limit": 10,
        "headers": {"x-colour": "red"},
        "thread": "MainThread",
    }


@pytest.mark.parametrize(
    ("query", "location"),
    [("offset=-1", "offset"), ("limit=1000", "limit"), ("offset=x", "offset"), ("page=2", "page"), ("offset", None)],
)
def test_a_query_that_does_not_fit_is_422_and_names_the_parameter(
    service: ModelService, query: str, location: str | None
) -> None:
    response = call(service, "GET", f"/notes/a/seen/b?{query}")
    assert response.status_code == 422
    assert [problem["loc"] for problem in response.json()["error"]["details"]] == (
        [["query", location]] if location else []
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/notes/a", 405, "PUT, GET, DELETE"),
        ("GET", "/logged", 405, "POST"),
        ("GET", "/notes", 404, None),
        ("GET", "/notes/a/b", 404, None),
        ("GET", "/notes/", 404, None),
    ],
)
def test_paths_and_methods_that_no_route_takes(
    service: ModelService, method: str, path: str, status: int, allow: str | None
) -> None:
    response = call(service, method, path)
    assert (response.status_code, response.headers.get("allow")) == (status, allow)


def test_each_route_has_its_own_body_limit(service: ModelService) -> None:
    body = json.dumps({"text": "x" * 100_000})
    assert call(service, "PUT", "/notes/long", content=body).status_code == 202
    assert call(service, "POST", "/choosy", content=body).status_code == 413
    over = json.dumps({"text": "x" * 150_000})
    response = call(service, "PUT", "/notes/long", content=over)
    assert response.status_code == 413
    assert "146 KiB" in response.json()["error"]["message"]


def test_keys_protect_endpoints_of_every_method(service: ModelService) -> None:
    methods: list[Any] = [("GET", "/notes/a", {}), ("DELETE", "/notes/a", {}), ("GET", "/healthz", {})]
    assert [each.status_code for each in calls(service, *methods, keys="secret")] == [401, 401, 200]


def test_too_many_waiting_calls_are_429(notes: Notes, student_folder: Path, tmp_path: Path) -> None:
    service = several(student_folder, tmp_path, notes, queue=2)
    service.start()
    try:
        responses = calls(service, *[("PUT", "/notes/a", {"json": {"text": "a"}})] * 10)
    finally:
        service.close()
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {202, 429}
    assert statuses.count(202) >= 2


def test_parts_start_and_close_with_the_service(notes: Notes, student_folder: Path, tmp_path: Path) -> None:
    service = several(student_folder, tmp_path, notes)
    service.start()
    service.close()
    assert notes.events == ["start", "close"]


def test_metrics_name_routes_by_their_pattern(service: ModelService) -> None:
    calls(service, ("GET", "/notes/a", {}), ("GET", "/notes/b", {}), ("GET", "/nowhere", {}))
    text = call(service, "GET", "/metrics").text
    assert 'vitrina_requests_total{route="/notes/{name}",status="404"} 2.0' in text
    assert 'vitrina_requests_total{route="other",status="404"} 1.0' in text


def test_the_openapi_document_lists_every_route_with_its_parameters(service: ModelService) -> None:
    paths = call(service, "GET", "/docs.json").json()["paths"]
    assert {"/logged", "/choosy", "/feedback", "/notes/{name}", "/notes/{name}/seen/{part}"} <= set(paths)
    assert set(paths["/notes/{name}"]) == {"put", "get", "delete"}
    assert "content" not in paths["/notes/{name}"]["delete"]["responses"]["204"]
    assert "202" in paths["/notes/{name}"]["put"]["responses"]
    given = {(each["in"], each["name"]) for each in paths["/notes/{name}/seen/{part}"]["get"]["parameters"]}
    assert given == {
        ("path", "name"), ("path", "part"), ("query", "offset"), ("query", "limit"), ("header", "X-Colour")
    }  # fmt: skip

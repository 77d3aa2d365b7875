"""The ASGI application with a real exported model behind it; no socket, no BentoML."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.intent_classifier.service import OPERATION
from vitrina.families.intent_classifier import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving import batching
from vitrina.serving.http import HttpService
from vitrina.serving.operation import MAX_BODY, Operation
from vitrina.serving.runtime import Source
from vitrina.serving.service import ModelService

LONG = 10_000


async def bento_pages(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the middleware: it only shows that a request was passed on."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"behind"})


class Client:
    """Calls a started service in process."""

    def __init__(self, service: ModelService, api_keys: str = "") -> None:
        self.service = service
        self._app = HttpService(bento_pages, build=lambda: service, api_keys=api_keys)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.calls([(method, path, options)])[0]

    def calls(self, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        async def main() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await asyncio.gather(*(client.request(m, p, **options) for m, p, options in requests))

        return asyncio.run(main())

    def classify(self, body: Any, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", "/classify", content=content, **options)


def serving_of(source: Path, log: Path, operations: Sequence[Operation] = (OPERATION,), **options: Any) -> ModelService:
    return ModelService(serving.load, operations, source=source, predictions=log, name="intent_classifier", **options)


@pytest.fixture
def service(student_folder: Path, tmp_path: Path) -> Iterator[ModelService]:
    each = serving_of(student_folder, tmp_path / "log")
    each.start()
    yield each
    each.close()


@pytest.fixture
def client(service: ModelService) -> Client:
    return Client(service)


def test_an_answer_holds_the_whole_distribution(client: Client) -> None:
    response = client.classify({"text": "where is my order?"})
    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == set(OPERATION.response.__struct_fields__)
    assert len(answer["distribution"]) == 150
    assert sum(answer["distribution"].values()) == pytest.approx(1, abs=1e-9)
    assert answer["confidence"] == max(answer["distribution"].values())
    assert answer["distribution"][answer["label"]] == answer["confidence"]
    assert answer["needs_clarification"] is (answer["confidence"] < 0.5)
    assert answer["model"] == "intent_classifier"
    assert answer["request_id"] == response.headers["x-request-id"]


def test_concurrent_answers_equal_single_ones(client: Client) -> None:
    texts = [f"where is my order number {n} " + "please " * (n % 7) for n in range(40)]
    single = [client.classify({"text": text}).json()["distribution"] for text in texts]
    together = client.calls([("POST", "/classify", {"json": {"text": text}}) for text in texts])
    for alone, response in zip(single, together, strict=True):
        # int8 activations share one scale per run, so neighbours in a batch move a probability a little
        assert response.json()["distribution"] == pytest.approx(alone, abs=2e-3)


@pytest.mark.parametrize("text", ["📦😀", "a", "¿dónde está mi pedido?", "x" * LONG, "\u0000 nul", "word " * 1999])
def test_unusual_texts_are_answered(client: Client, text: str) -> None:
    assert client.classify({"text": text}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"text": "a"', b'{"text": "a"} x', b'{"text": "\xff\xfe"}', b"\xff", b'{"text": 1,', b"text=hello"],
)
def test_what_is_not_utf8_json_is_400(client: Client, body: bytes) -> None:
    response = client.classify(body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "malformed_json"


@pytest.mark.parametrize(
    ("body", "location", "kind"),
    [
        ({}, ["body", "text"], "missing"),
        ({"text": ""}, ["body", "text"], "length"),
        ({"text": " \n\t\u2003"}, ["body", "text"], "blank"),
        ({"text": 7}, ["body", "text"], "type"),
        ({"text": None}, ["body", "text"], "type"),
        ({"text": ["a"]}, ["body", "text"], "type"),
        ({"text": "x" * (LONG + 1)}, ["body", "text"], "length"),
        ({"text": "a", "language": "not a language"}, ["body", "language"], "pattern"),
        (["text"], ["body"], "type"),
        ("text", ["body"], "type"),
    ],
)
def test_a_schema_violation_is_422_and_names_the_field(
    client: Client, body: Any, location: list[str], kind: str
) -> None:
    response = client.classify(body)
    error = response.json()["error"]
    assert response.status_code == 422
    assert error["code"] == "invalid_request"
    assert error["details"][0]["loc"] == location
    assert error["details"][0]["type"] == kind


def test_a_body_over_the_limit_is_413_also_when_its_length_is_not_told(client: Client) -> None:
    big = json.dumps({"text": "x" * 1_000_000}).encode()

    async def chunks() -> Any:
        for start in range(0, len(big), 1000):
            yield big[start : start + 1000]

    for content in (big, chunks()):
        response = client.call("POST", "/classify", content=content)
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "body_too_large"
    assert client.classify(json.dumps({"text": "a"}).encode().ljust(MAX_BODY)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/classify", 405), ("POST", "/healthz", 405), ("GET", "/nowhere", 404), ("POST", "/", 200)],
)
def test_other_routes_and_methods(client: Client, method: str, path: str, status: int) -> None:
    response = client.call(method, path)
    assert response.status_code == status
    if status == 405:
        assert response.headers["allow"]
    if status >= 400:
        assert set(response.json()["error"]) == {"code", "message", "details"}


def test_health_routes_say_what_is_served(client: Client) -> None:
    assert [client.call("GET", path).status_code for path in ("/healthz", "/livez", "/readyz")] == [200] * 3
    assert client.call("GET", "/readyz").json()["version"] == client.classify({"text": "a"}).json()["version"]
    assert client.call("HEAD", "/readyz").content == b""


def test_without_a_model_answers_are_503_and_say_why(tmp_path: Path) -> None:
    service = serving_of(tmp_path / "missing", tmp_path / "log")
    service.start()
    try:
        client = Client(service)
        for response in (client.classify({"text": "a"}), client.call("GET", "/readyz")):
            assert response.status_code == 503
            assert "missing" in response.json()["error"]["message"]
        assert client.call("GET", "/healthz").status_code == 200
    finally:
        service.close()


def test_a_full_queue_is_429_with_retry_after(student_folder: Path, tmp_path: Path) -> None:
    service = serving_of(student_folder, tmp_path / "log", queue=4)
    service.start()
    try:
        responses = Client(service).calls([("POST", "/classify", {"json": {"text": "a"}})] * 30)
    finally:
        service.close()
    refused = [response for response in responses if response.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert {response.status_code for response in responses} == {200, 429}


def test_an_unexpected_error_is_500_without_its_details(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.service.runtime.current is not None
    monkeypatch.setattr(client.service.runtime.current.predictor, "labels", ["too", "few"])
    response = client.classify({"text": "a"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "labels" not in response.text


def test_api_keys_protect_predictions_but_not_health(service: ModelService) -> None:
    client = Client(service, api_keys="secret,other")
    assert client.classify({"text": "a"}).status_code == 401
    assert client.classify({"text": "a"}, headers={"X-API-Key": "wrong"}).status_code == 401
    assert client.classify({"text": "a"}, headers={"X-API-Key": "other"}).status_code == 200
    assert client.classify({"text": "a"}, headers={"Authorization": "Bearer secret"}).status_code == 200
    assert client.call("POST", "/feedback", json={"request_id": "a", "label": "b"}).status_code == 401
    assert client.call("GET", "/metrics").status_code == 200
    assert "securitySchemes" in client.call("GET", "/docs.json").json()["components"]


def test_a_callers_request_id_is_kept_when_it_is_plain(client: Client) -> None:
    given = client.classify({"text": "a"}, headers={"X-Request-ID": "order-17:a"})
    assert given.json()["request_id"] == "order-17:a"
    for bad in ("", "a b", "x" * 129, 'a"b'):
        made = client.classify({"text": "a"}, headers={"X-Request-ID": bad}).json()["request_id"]
        assert re.fullmatch("[0-9a-f]{32}", made)


def test_predictions_and_feedback_reach_the_log(client: Client) -> None:
    answer = client.classify({"text": "¿dónde está mi pedido?"}).json()
    client.classify({"text": "where is it", "language": "fr"})
    receipt = client.call("POST", "/feedback", json={"request_id": answer["request_id"], "label": "refund"})
    client.service.log.flush()
    frame = read_window(client.service.log.folder).frame
    assert receipt.json() == {"request_id": answer["request_id"], "accepted": True}
    assert list(frame["language"]) == ["es", "fr"]
    assert frame.loc[0, ["request_id", "label", "length"]].to_list() == [answer["request_id"], answer["label"], 22]
    feedback = json.loads((client.service.log.folder / "feedback.jsonl").read_text())
    assert (feedback["request_id"], feedback["label"]) == (answer["request_id"], "refund")


@pytest.mark.parametrize(
    "body", [{}, {"request_id": "a"}, {"request_id": "", "label": "b"}, {"request_id": 1, "label": "b"}]
)
def test_feedback_is_validated(client: Client, body: Any) -> None:
    assert client.call("POST", "/feedback", json=body).status_code == 422


def test_feedback_that_cannot_be_kept_is_503(client: Client, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file in the way of the folder")
    response = client.call("POST", "/feedback", json={"request_id": "a", "label": "b"})
    assert response.status_code == 503
    assert "cannot be kept" in response.json()["error"]["message"]


def test_metrics_count_requests_predictions_and_batches(client: Client) -> None:
    client.calls([("POST", "/classify", {"json": {"text": "a"}})] * 5)
    client.classify({})
    text = client.call("GET", "/metrics").text
    assert 'vitrina_requests_total{route="/classify",status="200"} 5.0' in text
    assert 'vitrina_requests_total{route="/classify",status="422"} 1.0' in text
    assert 'vitrina_request_seconds_count{route="/classify"} 6.0' in text
    assert "vitrina_batch_size_sum 5.0" in text
    assert 'vitrina_predictions_total{label="intent_number_' in text
    assert 'vitrina_model_loaded_timestamp_seconds{model="intent_classifier"' in text


def test_the_openapi_document_describes_bodies_answers_and_errors(client: Client) -> None:
    document = client.call("GET", "/docs.json").json()
    assert {"/classify", "/feedback", "/healthz", "/readyz", "/metrics"} <= set(document["paths"])
    post = document["paths"]["/classify"]["post"]
    assert {"200", "400", "401", "413", "422", "429", "503"} <= set(post["responses"])
    schemas = document["components"]["schemas"]
    assert schemas["ClassifyRequest"]["required"] == ["text"]
    assert schemas["ClassifyRequest"]["properties"]["text"]["maxLength"] == LONG
    assert "distribution" in schemas["Classification"]["properties"]
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)):
        assert reference in schemas


def test_a_swap_between_requests_changes_the_version_and_nothing_else(client: Client, student_folder: Path) -> None:
    before = client.classify({"text": "hello"}).json()
    client.service.runtime.swap(Source(student_folder, "intent_classifier", "8"))
    after = client.classify({"text": "hello"}).json()
    assert after["version"] == "8" != before["version"]
    assert after["distribution"] == before["distribution"]


def test_a_model_slower_than_the_limit_runs_on_its_own_thread(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def predict(predictor: Any, requests: list[Any]) -> Any:
        threads.add(threading.current_thread().name.partition("_")[0])
        return OPERATION.predict(predictor, requests)

    operation = dataclasses.replace(OPERATION, predict=predict)
    for limit, expected in ((0.0, "model"), (60.0, "MainThread")):
        monkeypatch.setattr(batching, "THREADED_ABOVE", limit)
        service = serving_of(student_folder, tmp_path / "log", operations=[operation])
        service.start()
        threads.clear()
        assert Client(service).classify({"text": "hello"}).status_code == 200
        service.close()
        assert threads == {expected}

"""Streams over real HTTP: uvicorn in a thread, a service whose endpoints answer in events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.listening import listening, nothing_behind, until
from vitrina.contracts.http import Refusal
from vitrina.serving import streaming
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Call, Endpoint
from vitrina.serving.service import Service
from vitrina.serving.streaming import Event, Stream, framed


class Counter:
    """Counts to a number in events, or fails on the way; remembers how each count ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def stream(self, call: Call) -> Stream:
        if "x-refuse" in call.headers:
            raise Refusal(503, "Not now.", headers=((b"retry-after", b"7"),))
        return Stream(self.count(call.headers.get("x-fail", "")))

    async def count(self, failure: str) -> AsyncGenerator[Event]:
        try:
            for number in range(20):
                if number == 3 and failure:
                    raise Refusal(503, "It died.") if failure == "refusal" else RuntimeError("a bug")
                yield Event("number", {"n": number, "text": "a\nb"})
                await asyncio.sleep(0.02)
            self.ended.append("whole")
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise

    async def slow(self, call: Call) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise

    async def flood(self, call: Call) -> Stream:
        return Stream(self.endless())

    async def endless(self) -> AsyncGenerator[Event]:
        try:
            while True:
                yield Event("number", {"text": "x" * 100_000})
        finally:
            self.ended.append("closed")

    def endpoints(self) -> list[Endpoint]:
        headers = ("x-refuse", "x-fail")
        return [
            Endpoint("GET", "/count", "Count.", self.stream, None, headers=headers, streams=True),
            Endpoint("GET", "/slow", "Wait.", self.slow, None, streams=True),
            Endpoint("GET", "/flood", "Never end.", self.flood, None, streams=True),
        ]


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def client(counter: Counter, tmp_path: Path) -> Iterator[httpx.Client]:
    service = Service(counter.endpoints(), predictions=tmp_path, name="counter", version="1")
    with (
        listening(HttpService(nothing_behind, build=lambda: service)) as url,
        httpx.Client(base_url=url, timeout=30) as found,
    ):
        yield found


def counted(client: httpx.Client, status: int) -> bool:
    return f'status="{status}"' in client.get("/metrics").text


def test_events_arrive_as_they_are_made(client: httpx.Client, counter: Counter) -> None:
    times, lines = [], []
    with client.stream("GET", "/count") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-request-id"]
        for line in answer.iter_lines():
            times.append(time.monotonic())
            lines.append(line)
    assert lines[:3] == ["event: number", 'data: {"n":0,"text":"a\\nb"}', ""]
    assert [json.loads(line[6:])["n"] for line in lines if line.startswith("data")] == list(range(20))
    assert times[-1] - times[0] > 0.3  # twenty times 0.02 s: they were not gathered
    assert counter.ended == ["whole"]


def test_what_fails_before_the_first_event_is_an_ordinary_error(client: httpx.Client) -> None:
    answer = client.get("/count", headers={"x-refuse": "1"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["error"]["message"] == "Not now."


@pytest.mark.parametrize(("failure", "code"), [("refusal", "unavailable"), ("bug", "internal_error")])
def test_what_fails_midway_is_an_error_event(client: httpx.Client, failure: str, code: str) -> None:
    answer = client.get("/count", headers={"x-fail": failure})
    blocks = answer.text.strip().split("\n\n")
    assert len(blocks) == 4
    name, data = blocks[-1].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == code
    assert "a bug" not in answer.text


def test_a_client_that_leaves_a_stream_ends_what_makes_it(client: httpx.Client, counter: Counter) -> None:
    with client.stream("GET", "/count") as answer:
        next(answer.iter_lines())
    until(lambda: counter.ended == ["cancelled"], 2)
    until(lambda: counted(client, 499))


def test_a_client_that_leaves_before_the_answer_cancels_the_work(client: httpx.Client, counter: Counter) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.get("/slow", timeout=0.2)
    until(lambda: counter.ended == ["cancelled"], 2)


def test_a_client_that_takes_nothing_counts_as_gone(
    client: httpx.Client, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "STALLED", 0.3)
    with client.stream("GET", "/flood"):
        until(lambda: counter.ended == ["closed"], 10)


def test_a_service_without_a_model_is_ready_and_keeps_feedback(client: httpx.Client, tmp_path: Path) -> None:
    assert client.get("/readyz").json() == {"status": "ready", "model": "counter", "version": "1"}
    client.post("/feedback", json={"request_id": "r1", "label": "accepted"}).raise_for_status()
    assert '"r1"' in (tmp_path / "feedback.jsonl").read_text()
    described = client.get("/docs.json").json()["paths"]
    assert {"/count", "/feedback"} <= described.keys()


def test_line_breaks_stay_inside_an_event() -> None:
    assert framed(Event("token", {"text": "a\n\nevent: done\r\n"})).count(b"\n\n") == 1

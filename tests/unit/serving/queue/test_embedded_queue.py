"""The queue within a process keeps the same promises."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from vitrina.contracts.http import Refusal
from vitrina.serving.queue import EmbeddedQueue, Failed, Full, TimedOut


def ask_all(queue: EmbeddedQueue, bodies: list[dict[str, Any]], timeout: float = 5) -> list[Any]:
    async def run() -> list[Any]:
        return await asyncio.gather(*(queue.ask(body, timeout) for body in bodies), return_exceptions=True)

    try:
        return asyncio.run(run())
    finally:
        queue.close()


def test_every_request_gets_its_own_answer():
    queue = EmbeddedQueue(lambda body: body["number"] * 2, threads=2)
    assert ask_all(queue, [{"number": n} for n in range(20)]) == [2 * n for n in range(20)]


def test_a_request_that_raises_is_tried_three_times_then_set_aside():
    calls = []

    def handle(body: dict[str, Any]) -> Any:
        calls.append(body)
        raise ValueError("cannot")

    queue = EmbeddedQueue(handle)
    [answer] = ask_all(queue, [{"number": 1}])
    assert isinstance(answer, Failed)
    assert len(calls) == 3
    assert [letter["body"] for letter in queue.letters] == [{"number": 1}]


def test_a_request_that_fails_once_is_answered():
    calls = []

    def handle(body: dict[str, Any]) -> Any:
        calls.append(body)
        if len(calls) == 1:
            raise ValueError("once")
        return "done"

    assert ask_all(EmbeddedQueue(handle), [{}]) == ["done"]


def test_a_refusal_is_an_answer_at_the_first_attempt():
    calls = []

    def handle(body: dict[str, Any]) -> Any:
        calls.append(body)
        raise Refusal(422, "no")

    [answer] = ask_all(EmbeddedQueue(handle), [{}])
    assert isinstance(answer, Refusal)
    assert (answer.status, len(calls)) == (422, 1)


def test_a_request_whose_time_is_over_is_not_worked_on():
    calls = []

    def handle(body: dict[str, Any]) -> Any:
        calls.append(body["number"])
        time.sleep(0.3)
        return body["number"]

    answers = ask_all(EmbeddedQueue(handle), [{"number": n} for n in range(3)], timeout=0.2)
    assert all(isinstance(answer, TimedOut) for answer in answers)
    assert calls == [0]


def test_more_than_the_capacity_is_refused_and_the_state_says_what_waits():
    release = threading.Event()
    queue = EmbeddedQueue(lambda body: release.wait(5), capacity=2)

    async def run() -> tuple[Any, int]:
        asked = [asyncio.create_task(queue.ask({}, 5)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Full):
            await queue.ask({}, 5)
        depth = (await queue.state()).depth
        release.set()
        return await asyncio.gather(*asked), depth

    assert asyncio.run(run()) == ([True, True], 2)
    queue.close()

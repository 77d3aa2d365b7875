"""The queue on a real redis-server: workers that are killed, poison, a Redis that goes and comes back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.redis_server import RedisServer
from vitrina.contracts.http import Refusal
from vitrina.errors import UsageError
from vitrina.serving.queue import Failed, Full, RedisQueue, TimedOut, Unavailable
from vitrina.serving.queue.keys import GROUP, Keys

NAME = "tested"
KEYS = Keys(NAME)
ROOT = Path(__file__).parents[4]

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start(server: RedisServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker process."""
    started: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.queue_worker", server.url, NAME, str(tmp_path)]
        started.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def run_asking(url: str, ask: Callable[[RedisQueue], Any], capacity: int = 512) -> Any:
    async def run() -> Any:
        queue = RedisQueue(url, NAME, capacity=capacity)
        try:
            return await ask(queue)
        finally:
            queue.close()

    return asyncio.run(run())


def calls_of(folder: Path) -> list[str]:
    """Which requests the workers began, all together."""
    return [line for path in folder.glob("calls.*") for line in path.read_text().split()]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


def test_every_request_gets_its_own_answer_once(server: RedisServer, start: Start, tmp_path: Path):
    start()

    async def ask(queue: RedisQueue) -> list[Any]:
        return await asyncio.gather(*(queue.ask({"number": number}, 20) for number in range(50)))

    answers = run_asking(server.url, ask)
    assert [answer["number"] for answer in answers] == list(range(50))
    assert sorted(map(int, calls_of(tmp_path))) == list(range(50))
    client = redis.Redis.from_url(server.url)
    assert client.xlen(KEYS.requests) == 0
    assert client.xpending(KEYS.requests, GROUP)["pending"] == 0


def test_a_killed_worker_loses_nothing(server: RedisServer, start: Start, tmp_path: Path):
    first = start()

    async def ask(queue: RedisQueue) -> list[Any]:
        asked = [asyncio.create_task(queue.ask({"number": n, "sleep": 0.2}, 30)) for n in range(8)]
        await until(lambda: len(calls_of(tmp_path)) >= 3)
        first.send_signal(signal.SIGKILL)
        start()
        return await asyncio.gather(*asked)

    answers = run_asking(server.url, ask)
    assert [answer["number"] for answer in answers] == list(range(8))
    assert len({answer["pid"] for answer in answers}) == 2


def test_a_request_that_kills_its_workers_becomes_a_dead_letter_and_no_other_does(
    server: RedisServer, start: Start, tmp_path: Path
):
    workers = [start() for _ in range(5)]

    async def ask(queue: RedisQueue) -> list[Any]:
        bodies: list[dict[str, Any]] = [{"number": n} for n in range(6)]
        bodies[2]["die"] = True
        asked = [queue.ask(body, 40) for body in bodies]
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = run_asking(server.url, ask)
    assert isinstance(answers[2], Failed)
    assert [answer["number"] for n, answer in enumerate(answers) if n != 2] == [0, 1, 3, 4, 5]
    assert calls_of(tmp_path).count("2") == 3
    assert sum(worker.poll() is not None for worker in workers) == 3
    [(_, letter)] = redis.Redis.from_url(server.url).xrange(KEYS.letters)
    assert b'"number":2' in letter[b"message"]


def test_a_request_that_raises_is_tried_three_times_and_its_sender_is_told(
    server: RedisServer, start: Start, tmp_path: Path
):
    start()
    with pytest.raises(Failed, match="3 times.*ValueError: cannot"):
        run_asking(server.url, lambda queue: queue.ask({"number": 1, "raise": True}, 20))
    assert calls_of(tmp_path) == ["1", "1", "1"]


def test_an_answer_that_is_no_json_fails_and_its_worker_goes_on(server: RedisServer, start: Start):
    start()

    async def ask(queue: RedisQueue) -> list[Any]:
        bodies: list[dict[str, Any]] = [{"number": 1, "odd": True}, {"number": 2}]
        return await asyncio.gather(*(queue.ask(body, 20) for body in bodies), return_exceptions=True)

    odd, plain = run_asking(server.url, ask)
    assert isinstance(odd, Failed)
    assert plain["number"] == 2


def test_a_handler_that_takes_longer_than_a_lease_is_not_taken_over(server: RedisServer, start: Start, tmp_path: Path):
    start(), start()

    async def ask(queue: RedisQueue) -> Any:
        return await queue.ask({"number": 1, "sleep": 2.0}, 20)

    assert run_asking(server.url, ask)["number"] == 1
    assert calls_of(tmp_path) == ["1"]


def test_a_refusal_is_an_answer(server: RedisServer, start: Start, tmp_path: Path):
    start()
    with pytest.raises(Refusal, match="no such customer") as refused:
        run_asking(server.url, lambda queue: queue.ask({"number": 1, "refuse": True}, 20))
    assert refused.value.status == 422
    assert calls_of(tmp_path) == ["1"]


def test_without_a_worker_the_time_runs_out_and_the_late_request_is_not_worked_on(
    server: RedisServer, start: Start, tmp_path: Path
):
    with pytest.raises(TimedOut):
        run_asking(server.url, lambda queue: queue.ask({"number": 1}, 0.3))
    start()

    async def ask(queue: RedisQueue) -> Any:
        return await queue.ask({"number": 2}, 20)

    assert run_asking(server.url, ask)["number"] == 2
    assert calls_of(tmp_path) == ["2"]


def test_a_redis_that_is_not_there_refuses_at_once_and_is_used_when_it_comes(tmp_path: Path):
    server = RedisServer(tmp_path)
    command = [sys.executable, "-m", "tests.queue_worker", server.url, NAME, str(tmp_path)]
    worker = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    async def ask(queue: RedisQueue) -> Any:
        with pytest.raises(Unavailable):
            await queue.ask({"number": 1}, 10)
        assert not (await queue.state()).reachable
        server.start()
        return await queue.ask({"number": 2}, 20)

    try:
        assert run_asking(server.url, ask)["number"] == 2
    finally:
        worker.kill()
        worker.wait()
        server.kill()


def test_a_redis_that_loses_everything_in_mid_load_loses_no_accepted_request(
    server: RedisServer, start: Start, tmp_path: Path
):
    start()

    async def ask(queue: RedisQueue) -> list[Any]:
        asked = [asyncio.create_task(queue.ask({"number": n, "sleep": 0.1}, 40)) for n in range(12)]
        await until(lambda: len(calls_of(tmp_path)) >= 3)
        server.kill()
        await asyncio.sleep(0.5)
        server.start()
        return await asyncio.gather(*asked)

    assert [answer["number"] for answer in run_asking(server.url, ask)] == list(range(12))


def test_a_redis_that_forgets_while_connections_stand_loses_no_accepted_request(server: RedisServer, start: Start):
    async def ask(queue: RedisQueue) -> Any:
        asked = asyncio.create_task(queue.ask({"number": 5}, 30))
        client = redis.Redis.from_url(server.url)
        await until(lambda: client.xlen(KEYS.requests) == 1)
        client.flushall()
        start()
        return await asked

    assert run_asking(server.url, ask)["number"] == 5


def test_a_redis_that_hangs_for_a_while_loses_no_accepted_request(server: RedisServer, start: Start, tmp_path: Path):
    start()

    async def ask(queue: RedisQueue) -> list[Any]:
        asked = [asyncio.create_task(queue.ask({"number": n, "sleep": 0.1}, 40)) for n in range(8)]
        await until(lambda: len(calls_of(tmp_path)) >= 2)
        server.hang()
        await asyncio.sleep(3)
        server.wake()
        return await asyncio.gather(*asked)

    assert [answer["number"] for answer in run_asking(server.url, ask)] == list(range(8))


def test_a_worker_that_stalls_is_taken_over_from_and_its_late_answer_does_not_count(
    server: RedisServer, start: Start, tmp_path: Path
):
    first = start()
    client = redis.Redis.from_url(server.url)

    async def ask(queue: RedisQueue) -> Any:
        asked = asyncio.create_task(queue.ask({"number": 1, "sleep": 0.3}, 30))
        await until(lambda: len(calls_of(tmp_path)) == 1)
        first.send_signal(signal.SIGSTOP)
        second = start()
        answer = await asked
        first.send_signal(signal.SIGCONT)
        await asyncio.sleep(1)
        return answer["pid"] == second.pid, (await queue.ask({"number": 2}, 20))["number"]

    assert run_asking(server.url, ask) == (True, 2)
    assert sorted(calls_of(tmp_path)) == ["1", "1", "2"]
    assert client.xlen(KEYS.requests) == 0
    assert [client.llen(name) for name in client.scan_iter("*inbox*")] == []


def test_a_request_that_lies_twice_on_the_stream_is_answered_once(server: RedisServer, start: Start):
    async def ask(queue: RedisQueue) -> Any:
        asked = asyncio.create_task(queue.ask({"number": 5}, 30))
        client = redis.Redis.from_url(server.url)
        await until(lambda: client.xlen(KEYS.requests) == 1)
        [(_, fields)] = client.xrange(KEYS.requests)
        client.xadd(KEYS.requests, fields)
        start()
        answer = await asked
        await until(lambda: client.xlen(KEYS.requests) == 0)
        await asyncio.sleep(0.2)
        inbox = fields[b"message"].split(b'"reply":"')[1].split(b'"')[0]
        return answer, client.llen(inbox)

    answer, left = run_asking(server.url, ask)
    assert answer["number"] == 5
    assert left == 0


def test_more_than_the_capacity_is_not_accepted(server: RedisServer):
    async def ask(queue: RedisQueue) -> list[Any]:
        return await asyncio.gather(*(queue.ask({"number": n}, 0.5) for n in range(5)), return_exceptions=True)

    kinds = [type(answer) for answer in run_asking(server.url, ask, capacity=3)]
    assert kinds.count(Full) == 2
    assert kinds.count(TimedOut) == 3


def test_a_message_of_somebody_else_is_set_aside(server: RedisServer, start: Start):
    client = redis.Redis.from_url(server.url)
    client.xadd(KEYS.requests, {"message": b"{not json"})
    start()

    async def ask(queue: RedisQueue) -> Any:
        return await queue.ask({"number": 1}, 20)

    assert run_asking(server.url, ask)["number"] == 1
    assert [fields[b"reason"] for _, fields in client.xrange(KEYS.letters)] == [b"unreadable"]


def test_the_state_names_workers_that_live_and_forgets_one_that_stopped(server: RedisServer, start: Start):
    first, _ = start(), start()

    async def ask(queue: RedisQueue) -> Any:
        for number in range(4):
            await queue.ask({"number": number}, 20)
        deadline = time.monotonic() + 20
        while len((state := await queue.state()).workers) < 2 or sum(w.answered for w in state.workers) < 4:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        first.send_signal(signal.SIGTERM)
        while len((await queue.state()).workers) > 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        return state

    state = run_asking(server.url, ask)
    assert (state.reachable, state.depth, state.dead_letters) == (True, 0, 0)


def test_an_address_that_is_none_is_refused():
    with pytest.raises(UsageError, match="VITRINA_REDIS_URL"):
        RedisQueue("nonsense", NAME)

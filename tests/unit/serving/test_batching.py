from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vitrina.serving.batching import Batcher, Plan, QueueFull, plan

Make = Callable[..., Batcher]


class Doubler:
    """Doubles numbers; remembers the batches and the thread it ran on."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.seconds = seconds

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        if -1 in items:
            raise ValueError("minus one")
        return [2 * item for item in items]


@pytest.fixture
def batcher() -> Iterator[Callable[..., Batcher]]:
    """Makes batchers on a pool that ends with the test."""
    with ThreadPoolExecutor(2, "model") as pool:

        def make(run: Doubler, limit: int = 8, queue: int = 100, threads: int = 0, size: Any = None) -> Batcher:
            return Batcher(run, Plan(limit, threads), queue, pool, size)

        yield make


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_every_request_gets_its_own_result(batcher: Make, threads: int) -> None:
    async def main() -> list[int]:
        each = batcher(Doubler(), threads=threads)
        return await asyncio.gather(*(each.submit(number) for number in range(50)))

    assert asyncio.run(main()) == [2 * number for number in range(50)]


def test_requests_of_one_turn_of_the_loop_run_together_up_to_the_limit(batcher: Make) -> None:
    run = Doubler()

    async def main() -> None:
        each = batcher(run)
        await asyncio.gather(*(each.submit(number) for number in range(20)))

    asyncio.run(main())
    assert [len(batch) for batch in run.batches] == [8, 8, 4]


def test_requests_that_arrive_while_the_model_is_busy_form_the_next_batch(batcher: Make) -> None:
    run = Doubler(seconds=0.05)

    async def main() -> None:
        each = batcher(run, threads=1)
        first = asyncio.ensure_future(each.submit(1))
        await asyncio.sleep(0.02)
        await asyncio.gather(first, *(each.submit(number) for number in (2, 3, 4)))

    asyncio.run(main())
    assert run.batches == [[1], [2, 3, 4]]
    assert threading.get_ident() not in run.threads


def test_a_lone_request_does_not_wait_for_company(batcher: Make) -> None:
    async def main() -> float:
        each = batcher(Doubler())
        start = time.perf_counter()
        for number in range(100):
            await each.submit(number)
        return time.perf_counter() - start

    assert asyncio.run(main()) < 0.1


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_an_error_reaches_the_requests_of_its_batch_only(batcher: Make, threads: int) -> None:
    async def main() -> list[Any]:
        each = batcher(Doubler(), limit=2, threads=threads)
        submitted = (each.submit(number) for number in (1, 2, -1, 3, 4, 5))
        return await asyncio.gather(*submitted, return_exceptions=True)

    results = asyncio.run(main())
    assert results[:2] == [2, 4]
    assert [str(error) for error in results[2:4]] == ["minus one", "minus one"]
    assert results[4:] == [8, 10]


def test_a_full_queue_refuses_at_once(batcher: Make) -> None:
    async def main() -> None:
        each = batcher(Doubler(), queue=2)
        waiting = [asyncio.ensure_future(each.submit(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await each.submit(3)
        assert await asyncio.gather(*waiting) == [2, 4]
        assert await each.submit(3) == 6

    asyncio.run(main())


def test_a_cancelled_request_is_not_run(batcher: Make) -> None:
    run = Doubler(seconds=0.05)

    async def main() -> None:
        each = batcher(run, threads=1)
        first = asyncio.ensure_future(each.submit(1))
        await asyncio.sleep(0.01)
        gone = asyncio.ensure_future(each.submit(2))
        stays = asyncio.ensure_future(each.submit(3))
        await asyncio.sleep(0.01)
        gone.cancel()
        assert await stays == 6
        await first

    asyncio.run(main())
    assert run.batches == [[1], [3]]


def test_two_threads_run_two_batches_at_once(batcher: Make) -> None:
    async def main() -> float:
        each = batcher(Doubler(seconds=0.2), limit=4, threads=2)
        start = time.perf_counter()
        await asyncio.gather(*(each.submit(number) for number in range(8)))
        return time.perf_counter() - start

    assert asyncio.run(main()) < 0.35


def test_a_fast_model_runs_on_the_loop_and_a_slow_one_on_threads_in_short_batches() -> None:
    assert plan(0.0002, cores=2) == Plan(limit=32, threads=0)
    assert plan(0.002, cores=2) == Plan(limit=10, threads=2)
    assert plan(1.0, cores=1) == Plan(limit=4, threads=1)
    assert plan(0.0002, cores=2, blocking=True) == Plan(limit=32, threads=2)


def test_a_request_that_holds_many_rows_fills_a_batch_by_itself(batcher: Make) -> None:
    run = Doubler()

    async def main() -> None:
        each = batcher(run, limit=8, size=lambda number: 8 if number == 100 else 1)
        await asyncio.gather(*(each.submit(number) for number in (1, 2, 100, 3, 100, 4)))

    asyncio.run(main())
    assert run.batches == [[1, 2, 100], [3, 100], [4]]


def test_two_operations_share_the_threads_of_a_worker() -> None:
    threads: set[str] = set()

    def run(items: list[int]) -> list[int]:
        threads.add(threading.current_thread().name)
        time.sleep(0.01)
        return items

    async def main() -> None:
        with ThreadPoolExecutor(2, "model") as pool:
            both = [Batcher(run, Plan(1, 2), 100, pool) for _ in range(2)]
            await asyncio.gather(*(each.submit(number) for each in both for number in range(10)))

    asyncio.run(main())
    assert threads == {"model_0", "model_1"}

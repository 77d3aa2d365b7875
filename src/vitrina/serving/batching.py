"""Adaptive batching: requests that wait while the model is busy are run together; nobody waits for a batch to fill.

There is no delay to tune. A lone request runs at once; under load the batch grows to what arrived during the last run.

How a model runs follows from the measured time of one request (`plan`):

* a fast one on the event loop: it costs less than handing work to a thread and back (the student: 0.2 ms); requests
  that arrive in one turn of the loop form the batch;
* a slower one on threads, one per core of this worker: it would stall health checks and parsing, and releases the GIL
  while it computes. Its batches are kept short, so that a request waits for at most two of them.

What waits for something else than the model (a cache server, an index on disk) runs on threads at any speed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

THREADED_ABOVE = 0.001
"""Seconds one request may take on the event loop; a slower model runs on threads."""

BATCH_SECONDS = 0.02
"""What a full batch may take, if its requests cost what a single one does."""

LARGEST, SMALLEST = 32, 4
"""Bounds of a full batch."""


@dataclass(frozen=True)
class Plan:
    """How to run a model: the most requests in a batch, and on how many threads (0: on the event loop)."""

    limit: int
    threads: int


def plan(seconds: float, cores: int, blocking: bool = False) -> Plan:
    """The plan for a model that takes `seconds` for one request in a worker that may use `cores`.

    `blocking` says that a run also waits for something else than the model.
    """
    limit = max(SMALLEST, min(LARGEST, int(BATCH_SECONDS / seconds)))
    return Plan(limit, threads=cores if blocking or seconds > THREADED_ABOVE else 0)


class QueueFull(Exception):
    """More requests wait than the batcher accepts."""


Waiting = tuple[Any, asyncio.Future[Any]]


class Batcher:
    """Runs `run(items) -> results` on groups of items as `how` says; at most `queue` items may wait.

    `size` tells how many ordinary items one counts for (default: one), where a request may hold many.
    """

    def __init__(
        self,
        run: Callable[[list[Any]], Sequence[Any]],
        how: Plan,
        queue: int,
        pool: Executor,
        size: Callable[[Any], int] | None = None,
    ) -> None:
        """`pool` is where a threaded plan runs; several batchers may share it."""
        self._run = run
        self._size = size
        self._limit = how.limit
        self._queue = queue
        self._waiting: deque[Waiting] = deque()
        self._idle = max(1, how.threads)
        self._start_is_due = False
        self._pool = pool if how.threads else None

    async def submit(self, item: Any) -> Any:
        """The result for `item`.

        Raises:
            QueueFull: at once, when too many wait already.
        """
        if len(self._waiting) >= self._queue:
            raise QueueFull
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((item, future))
        self._schedule(loop)
        return await future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a batch after what else this turn of the loop brings."""
        if self._waiting and self._idle and not self._start_is_due:
            self._start_is_due = True
            loop.call_soon(self._start, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._start_is_due = False
        batch = self._take()
        if not batch:
            return
        self._idle -= 1
        if self._pool is None:
            self._finish(loop, batch, *self._attempt(batch))
        else:
            self._pool.submit(self._work, loop, batch)
            self._schedule(loop)

    def _take(self) -> list[Waiting]:
        """The next batch; items whose client went away are skipped."""
        batch: list[Waiting] = []
        room = self._limit
        while self._waiting and room > 0:
            entry = self._waiting.popleft()
            if not entry[1].done():
                batch.append(entry)
                room -= self._size(entry[0]) if self._size else 1
        return batch

    def _work(self, loop: asyncio.AbstractEventLoop, batch: list[Waiting]) -> None:
        loop.call_soon_threadsafe(self._finish, loop, batch, *self._attempt(batch))

    def _attempt(self, batch: list[Waiting]) -> tuple[Sequence[Any], Exception | None]:
        try:
            return self._run([item for item, _ in batch]), None
        except Exception as error:  # whatever the model raises belongs to the waiting requests
            return (), error

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[Waiting],
        results: Sequence[Any],
        error: Exception | None,
    ) -> None:
        for position, (_, future) in enumerate(batch):
            if future.done():
                continue
            if error is None:
                future.set_result(results[position])
            else:
                future.set_exception(error)
        self._idle += 1
        self._schedule(loop)

"""Adaptive batching: requests that wait while the model is busy are run together; nobody waits for a batch to fill.

There is no delay to tune. A lone request runs at once; under load the batch grows to what arrived during the last run.

Two ways to run, chosen from the measured cost of one request (`threaded_above`):

* on the event loop: a small model costs less than handing work to a thread and back (the student: 0.3 ms);
  requests that arrive in one turn of the loop form the batch;
* on one thread: a larger model would stall health checks and parsing, and releases the GIL while it computes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

THREADED_ABOVE = 0.001
"""Seconds one request may take on the event loop; a slower model runs on its own thread."""


class QueueFull(Exception):
    """More requests wait than the batcher accepts."""


class Batcher:
    """Runs `run(items) -> results` on groups of at most `limit` items; at most `queue` items may wait."""

    def __init__(self, run: Callable[[list[Any]], Sequence[Any]], *, limit: int, queue: int, threaded: bool) -> None:
        self._run = run
        self._limit = limit
        self._queue = queue
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._busy = False
        self._thread = ThreadPoolExecutor(1, "model") if threaded else None

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
        if not self._busy:
            self._busy = True
            loop.call_soon(self._start, loop)
        return await future

    def close(self) -> None:
        """Stop the thread, if there is one, after its current batch."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take()
        if not batch:
            self._busy = False
        elif self._thread is None:
            self._finish(loop, batch, *self._attempt(batch))
        else:
            self._thread.submit(self._work, loop, batch)

    def _take(self) -> list[tuple[Any, asyncio.Future[Any]]]:
        """The next batch; items whose client went away are skipped."""
        batch: list[tuple[Any, asyncio.Future[Any]]] = []
        while self._waiting and len(batch) < self._limit:
            entry = self._waiting.popleft()
            if not entry[1].done():
                batch.append(entry)
        return batch

    def _work(self, loop: asyncio.AbstractEventLoop, batch: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        loop.call_soon_threadsafe(self._finish, loop, batch, *self._attempt(batch))

    def _attempt(self, batch: list[tuple[Any, asyncio.Future[Any]]]) -> tuple[Sequence[Any], Exception | None]:
        try:
            return self._run([item for item, _ in batch]), None
        except Exception as error:  # whatever the model raises belongs to the waiting requests
            return (), error

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[Any, asyncio.Future[Any]]],
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
        if self._waiting:
            loop.call_soon(self._start, loop)
        else:
            self._busy = False

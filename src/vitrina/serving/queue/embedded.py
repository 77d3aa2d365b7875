"""The queue within a process: the same promises without Redis. Requests are answered on threads of their own."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vitrina.contracts.queued_recommendation import QueueState, WorkerState
from vitrina.serving.queue.interface import (
    CAPACITY,
    DELIVERIES,
    Full,
    Handler,
    Reply,
    TimedOut,
    dead,
    replied,
)

logger = logging.getLogger("vitrina.serving")

LETTERS = 1000
"""Dead letters that are kept."""


class EmbeddedQueue:
    """See `Queue`. A worker cannot die alone here: what is left to retry are requests that raise."""

    def __init__(
        self,
        handle: Handler,
        *,
        threads: int = 1,
        deliveries: int = DELIVERIES,
        capacity: int = CAPACITY,
        counted: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        """`counted` is told of each request that was `answered` or `failed`."""
        self._handle = handle
        self._pool = ThreadPoolExecutor(threads, "queue")
        self._deliveries = deliveries
        self._capacity = capacity
        self._counted = counted
        self._waiting = 0
        self._answered = 0
        self._failed = 0
        self._beat = time.monotonic()
        self.letters: deque[dict[str, Any]] = deque(maxlen=LETTERS)

    def start(self) -> None:
        """Nothing to begin."""

    def close(self) -> None:
        """Finish what is worked on; what waits is given up."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def ask(self, body: dict[str, Any], timeout: float) -> Any:
        """See `Queue.ask`."""
        if self._waiting >= self._capacity:
            raise Full
        self._waiting += 1
        deadline = time.monotonic() + timeout
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._work, body, deadline)
        work.add_done_callback(self._done)
        try:
            # Shielded: a caller that leaves does not free its place before its request is off the threads.
            reply = await asyncio.wait_for(asyncio.shield(work), timeout)
        except TimeoutError:
            raise TimedOut from None
        if reply is None:
            raise TimedOut
        return reply.value()

    async def state(self) -> QueueState:
        """See `Queue.state`."""
        worker = WorkerState("embedded", self._answered, self._failed, time.monotonic() - self._beat)
        return QueueState(True, self._waiting, len(self.letters), [worker])

    def _done(self, work: asyncio.Future[Reply | None]) -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # taken note of: nobody may be waiting any more

    def _work(self, body: dict[str, Any], deadline: float) -> Reply | None:
        """The reply; None when the time was over before work began."""
        self._beat = time.monotonic()
        if time.monotonic() > deadline:
            return None
        name, why = uuid.uuid4().hex, ""
        for _ in range(self._deliveries):
            try:
                reply = replied(self._handle, name, body)
            except Exception as error:  # a handler may raise anything; the request is tried again, then set aside
                logger.exception("A request from the queue failed.")
                why = f"{type(error).__name__}: {error}"
                continue
            self._answered += 1
            self._counted("answered")
            return reply
        self._failed += 1
        self._counted("failed")
        self.letters.append({"id": name, "body": body, "reason": why})
        return dead(name, self._deliveries, why)

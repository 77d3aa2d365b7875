"""How many generations run, and how many requests wait for one to end: the rest is turned away at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from vitrina.contracts.http import Refusal

Changed = Callable[[int, int], None]


def _unheard(running: int, waiting: int) -> None:
    pass


class Admission:
    """Places for `running` requests and a queue of `waiting`, first come first served. Lives in one event loop."""

    def __init__(self, running: int, waiting: int, seconds: float, changed: Changed = _unheard) -> None:
        """`seconds`: how long a request waits; `changed` is told how many run and wait."""
        self._places = asyncio.Semaphore(running)
        self._most = waiting
        self._seconds = seconds
        self._changed = changed
        self.running = self.waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place to run in, given back at the end.

        Raises:
            Refusal: 429 when too many wait already, 503 when none became free in time.
        """
        await self._enter()
        try:
            yield
        finally:
            self.running -= 1
            self._places.release()
            self._changed(self.running, self.waiting)

    async def _enter(self) -> None:
        if self._places.locked() and self.waiting >= self._most:
            raise _later(429, "Too many requests wait for the language model; try again.", 1)
        self.waiting += 1
        try:
            self._changed(self.running, self.waiting)
            async with asyncio.timeout(self._seconds):
                await self._places.acquire()
            self.running += 1
        except TimeoutError:
            message = f"The language model had no room for this request within {self._seconds:g} seconds."
            raise _later(503, message, 2) from None
        finally:
            self.waiting -= 1
            self._changed(self.running, self.waiting)


def _later(status: int, message: str, seconds: int) -> Refusal:
    return Refusal(status, message, headers=((b"retry-after", b"%d" % seconds),))

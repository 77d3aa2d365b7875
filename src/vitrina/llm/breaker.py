"""A circuit breaker: a server that failed repeatedly is left alone for a while, then asked by one call first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

FAILURES = 5
PAUSE = 10.0
"""Seconds."""

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Counts failures in a row. One a process; used from one thread (that of the event loop).

    After `admit` gave 0, say how the call ended: `succeeded`, `failed` or, where that tells nothing, `abandoned`.
    """

    def __init__(
        self, failures: int = FAILURES, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._pause, self._clock = failures, pause, clock
        self._failures = 0
        self._opened: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """Closed: calls pass; open: none does; half-open: one may find out."""
        if self._opened is None:
            return "closed"
        return "half-open" if self._clock() - self._opened >= self._pause else "open"

    def admit(self) -> float:
        """0 where a call may go on, otherwise the seconds after which it is worth asking again."""
        if self._opened is None:
            return 0.0
        remaining = self._opened + self._pause - self._clock()
        if remaining > 0:
            return remaining
        if self._probing:
            return self._pause
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """The server answered: closed."""
        self._failures, self._opened, self._probing = 0, None, False

    def failed(self) -> None:
        """The server did not answer. The limit reached, or failed after the pause: open from now."""
        self._failures += 1
        if self._failures >= self._limit and self.state != "open":
            self._opened = self._clock()
        self._probing = False

    def abandoned(self) -> None:
        """The caller left before the server could answer: the next call may probe."""
        self._probing = False

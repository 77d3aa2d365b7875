"""What a queue promises, whatever carries it: at-least-once work, at most one answer, none lost without being told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from vitrina.contracts.http import Refusal
from vitrina.contracts.queued_recommendation import QueueState

Handler = Callable[[dict[str, Any]], Any]
"""The body of a request → what is answered, both as plain JSON values; raises `Refusal` for a body it does not take.

It may be called more than once for one request (the worker that had it died), never twice with both answers given.
"""

DELIVERIES = 3
"""Attempts at a request; one that fails, or kills its worker, as often is set aside as a dead letter."""

CAPACITY = 512
"""Requests that one process may have waiting."""


class Unavailable(Exception):
    """The request was not accepted: the queue cannot be reached."""


class Full(Exception):
    """The request was not accepted: too many wait."""


class TimedOut(Exception):
    """The request was accepted, and no answer came in time."""


class Failed(Exception):
    """The request failed as often as is tried; it lies with the dead letters."""


class Queue(Protocol):
    """The asking side. Asked from one event loop."""

    async def ask(self, body: dict[str, Any], timeout: float) -> Any:
        """What a worker answers to `body` within `timeout` seconds.

        Raises:
            Unavailable, Full: not accepted. TimedOut, Failed: accepted, no answer. Refusal: the worker's.
        """

    async def state(self) -> QueueState:
        """The state of the queue; never raises."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """Stop; what waits is given up."""


class Reply(msgspec.Struct, omit_defaults=True):
    """What a worker says to one request: `body`, or why not: `status` (of a refusal) and `reason`."""

    id: str
    body: Any = None
    status: int = 200
    reason: str = ""
    details: list[dict[str, Any]] = []

    def value(self) -> Any:
        """The answer.

        Raises:
            Refusal: the worker's. Failed: a dead letter.
        """
        if self.status == 200:
            return self.body
        if self.status == DEAD:
            raise Failed(self.reason)
        raise Refusal(self.status, self.reason, self.details)


DEAD = 500


def replied(handle: Handler, request_id: str, body: dict[str, Any]) -> Reply:
    """The reply of a handler, a refusal included; what else it raises is the caller's to retry."""
    try:
        return Reply(request_id, handle(body))
    except Refusal as refusal:
        return Reply(request_id, None, refusal.status, refusal.message, refusal.details)


def dead(request_id: str, deliveries: int, why: str) -> Reply:
    """The reply to a request that is given up."""
    return Reply(request_id, None, DEAD, f"The request failed {deliveries} times and was set aside ({why}).")

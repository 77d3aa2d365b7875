"""Answers in pieces, as server-sent events, and clients that leave before they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, TypeVar

from vitrina.serving.messages import encode

EVENT_STREAM = b"text/event-stream"
HEADERS = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
"""Nobody between service and client may keep or gather the pieces."""

STALLED = 30.0
"""Seconds after which a client that takes nothing counts as gone."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")


class Event(NamedTuple):
    """One event: its name, and a message or mapping that becomes the JSON of its data."""

    name: str
    data: Any


class Stream(NamedTuple):
    """An endpoint's answer in events. What is to be an ordinary error must be raised before the stream is returned."""

    events: AsyncGenerator[Event]


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


def framed(event: Event) -> bytes:
    """The event as it is sent; JSON has no line breaks, so one `data:` line holds it."""
    return b"event: %b\ndata: %b\n\n" % (event.name.encode(), encode(event.data))


async def while_there(receive: Receive, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client leaves. The request's body must have been read.

    Raises:
        ClientLeft: it left; `work` has ended by then.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def send_events(stream: Stream, failed: Callable[[Exception], Any], send: Send) -> None:
    """Send the events and end the body; what goes wrong midway becomes an `error` event with `failed`'s message.

    Raises:
        ClientLeft: the client took nothing for `STALLED` seconds.
    """
    try:
        async for event in stream.events:
            await _piece(send, framed(event))
    except ClientLeft:
        raise
    except Exception as error:
        await _piece(send, framed(Event("error", failed(error))))
    finally:
        await stream.events.aclose()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _piece(send: Send, body: bytes) -> None:
    try:
        async with asyncio.timeout(STALLED):
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except TimeoutError:
        raise ClientLeft from None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

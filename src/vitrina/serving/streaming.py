"""Answers in pieces, as server-sent events, and clients that leave before they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from vitrina.serving.messages import encode

EVENT_STREAM = b"text/event-stream"
HEADERS = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
"""Nobody between service and client may keep or gather the pieces."""

STALLED = 30.0
"""Seconds after which a client that takes nothing counts as gone."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


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


@asynccontextmanager
async def while_there(receive: Receive) -> AsyncIterator[None]:
    """What is inside is cancelled when the client leaves. The request's body must have been read.

    All of it runs in the caller's task, as time-outs inside need it.

    Raises:
        ClientLeft: it left; what was inside has ended by then.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        watcher.cancel()


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

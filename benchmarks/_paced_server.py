"""The tiny language model as if it ran on a GPU elsewhere: a proxy that hands its tokens on at a steady pace.

Its own server is as fast as this machine's other work leaves it, twice as fast one second as the next. At a pace that
leaves time to spare, what arrives when is known, and measurements can be compared.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

FIRST, BETWEEN = 0.3, 0.02
"""Seconds from a request to its first event, and from one event to the next; later where they come later."""


async def paced(pieces: AsyncIterator[str], arrived: float) -> AsyncIterator[str]:
    """Server-sent events, one `BETWEEN` after the other."""
    clock, due = asyncio.get_running_loop().time, arrived + FIRST
    async for piece in pieces:
        if piece:
            await asyncio.sleep(due - clock())
            yield f"{piece}\n\n"
            due = max(due, clock()) + BETWEEN


def application(upstream: str) -> Starlette:
    """Streams are paced; everything else is passed on."""
    client = httpx.AsyncClient(base_url=upstream, timeout=300)

    async def passed(request: Request) -> Response:
        arrived = asyncio.get_running_loop().time()
        body = await request.body()
        asked = client.build_request(
            request.method, request.url.path, content=body, headers={"content-type": "application/json"}
        )
        answer = await client.send(asked, stream=True)
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            return Response(await answer.aread(), answer.status_code, media_type="application/json")

        async def events() -> AsyncIterator[str]:
            try:
                async for event in paced(answer.aiter_lines(), arrived):
                    yield event
            finally:
                await answer.aclose()

        return StreamingResponse(events(), media_type="text/event-stream")

    return Starlette(routes=[Route("/{path:path}", passed, methods=["GET", "POST"])])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    uvicorn.run(application(options.upstream), host="127.0.0.1", port=options.port, log_level="error")

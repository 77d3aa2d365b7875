"""A started service called in this process: no socket, no BentoML."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.listening import nothing_behind
from vitrina.serving.http import HttpService
from vitrina.serving.service import Service


class InProcess:
    """Calls `service` as HTTP requests would; a body is bytes, or what becomes JSON."""

    def __init__(self, service: Service) -> None:
        self._app = HttpService(nothing_behind, build=lambda: service)

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request, with httpx's options."""
        content = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.all([(method, path, {**content, **options})])[0]

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One POST request."""
        return self("POST", path, body, **options)

    def all(self, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Requests at the same time: method, path, httpx's options."""

        async def main() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=60) as client:
                return await asyncio.gather(*(client.request(*what, **options) for *what, options in requests))

        return asyncio.run(main())

"""BentoML services without a model that answer a body of the size of a classification.

`Echo` is an ordinary BentoML API; `LeanEcho` answers in front of BentoML as Vitrina does, which is the ceiling.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import bentoml

INTENTS = 150
DISTRIBUTION = {f"intent_number_{i:03d}": 1 / INTENTS + i * 1e-7 for i in range(INTENTS)}
LEAN = {
    "workers": int(os.environ.get("VITRINA_WORKERS", "1")),
    "traffic": {"timeout": 10},
    "logging": {"access": {"enabled": False}},
    "metrics": {"enabled": False},
    "tracing": {"excluded_urls": ".*"},
}


def answer(text: str) -> dict[str, Any]:
    """What a classification looks like, without a model."""
    return {
        "label": "intent_number_149",
        "confidence": 0.5,
        "distribution": DISTRIBUTION,
        "needs_clarification": False,
        "out_of_scope": False,
        "oos_score": -5.0,
        "model": "echo",
        "version": "1",
        "request_id": text[:32],
    }


@bentoml.service(name="echo", **LEAN)
class Echo:
    """The answer, through BentoML's own request path."""

    @bentoml.api(route="/classify")
    async def classify(self, text: str) -> dict[str, Any]:
        return answer(text)


class Lean:
    """The answer, in front of BentoML's request path."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/classify":
            await self.app(scope, receive, send)
            return
        body = json.dumps(answer(json.loads((await receive())["body"])["text"])).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@bentoml.service(name="lean_echo", **LEAN)
class LeanEcho:
    """The ceiling of a service that decodes, answers and encodes."""


LeanEcho.add_asgi_middleware(Lean)

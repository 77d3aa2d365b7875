"""The routes of the assistant."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import BaseModel

from vitrina.errors import ServiceError
from vitrina.llm.assistant.assistant import Assistant
from vitrina.llm.assistant.budget import Accounts
from vitrina.llm.assistant.failures import later
from vitrina.llm.assistant.messages import (
    DescribeRequest,
    MarketRequest,
    RecommendRequest,
    ReplyRequest,
    UsageReport,
)
from vitrina.llm.assistant.results import ANSWERS
from vitrina.llm.assistant.settings import AssistantSettings
from vitrina.llm.prompts.tasks import TASKS, Task
from vitrina.serving.operation import Call, Endpoint
from vitrina.serving.streaming import EVENT_STREAM

PREFIX = "/ai/assistant"
LIMIT = 512 * 1024
"""Bytes of a body: far beyond any model's patience, so that what is too long is mostly told so in tokens."""


class Route(NamedTuple):
    """A task's path, request and example."""

    path: str
    summary: str
    request: type[BaseModel]
    example: dict[str, Any]


ROUTES = {
    "describe": Route(
        "/describe",
        "A product's description in the language and tone asked for; product_describer stands in for the model.",
        DescribeRequest,
        {
            "product": {
                "title": "Oak table",
                "brand": "Oak & Tide",
                "price": 249.0,
                "currency": "EUR",
                "attributes": {"colour": "brown", "material": "oak"},
            },
            "language": "en",
            "tone": "friendly",
        },
    ),
    "recommend": Route(
        "/recommend",
        "Products of a recommender, or of the request, chosen for a customer and explained.",
        RecommendRequest,
        {
            "customer": {"history": [{"title": "Oak chair", "event": "purchase"}]},
            "candidates": [
                {"product_id": "p000007", "title": "Oak table", "price": 249.0, "currency": "EUR"},
                {"product_id": "p000011", "title": "Linen cushion", "price": 19.0, "currency": "EUR"},
            ],
            "count": 1,
            "language": "en",
        },
    ),
    "market_analysis": Route(
        "/market-analysis",
        "What products and sales tell of a market, with the numbers that show it.",
        MarketRequest,
        {
            "sales": [{"period": "2026-09", "units": 420}, {"period": "2026-10", "units": 510}],
            "focus": ["trends"],
            "language": "en",
        },
    ),
    "reply": Route(
        "/reply",
        "A reply to a customer's message from the facts that the shop gives.",
        ReplyRequest,
        {
            "message": "Where is my order?",
            "facts": [{"title": "Order", "text": "It was handed to the carrier on Monday."}],
            "language": "en",
        },
    ),
}
"""Task → its route."""


def endpoints(assistant: Assistant, accounts: Accounts, settings: AssistantSettings) -> list[Endpoint]:
    """The four tasks, and what the caller's key used."""

    async def usage(call: Call) -> UsageReport:
        try:
            used = await asyncio.to_thread(accounts.used, call.caller)
        except ServiceError as error:
            raise later(str(error), 5) from error
        return UsageReport(*used, settings.tokens_per_minute, settings.tokens_per_day, call.request_id)

    tasks = [_endpoint(assistant, TASKS[name], route) for name, route in ROUTES.items()]
    said = "The tokens that the caller's key used, this minute and this day."
    return [*tasks, Endpoint("GET", f"{PREFIX}/usage", said, usage, UsageReport)]


def _endpoint(assistant: Assistant, task: Task, route: Route) -> Endpoint:
    async def handle(call: Call) -> Any:
        if EVENT_STREAM.decode() in call.headers.get("accept", ""):  # asks for a stream as `"stream": true` does
            call = replace(call, request=call.request.model_copy(update={"stream": True}))
        return await assistant.answer(task, call)

    return Endpoint(
        method="POST",
        path=PREFIX + route.path,
        summary=route.summary,
        handle=handle,
        response=ANSWERS[task.name],
        request=route.request,
        headers=("accept",),
        limit=LIMIT,
        example=route.request.model_validate(route.example),
        streams=True,
    )

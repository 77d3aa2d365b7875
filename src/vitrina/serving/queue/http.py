"""Recommendations through a queue: the route that asks, and the handler that a worker answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from vitrina.contracts.http import Refusal
from vitrina.contracts.queued_recommendation import QueueState, RecommendationQuery
from vitrina.contracts.recommendation import RecommendationRecord, RecommendationRequest, Recommendations
from vitrina.serving.operation import Call, Endpoint
from vitrina.serving.queue.interface import Failed, Full, Handler, Queue, TimedOut, Unavailable
from vitrina.serving.recommending import LiveRecommender, answer, record
from vitrina.serving.runtime import Loaded

SECONDS = 10.0
"""How long a request waits for its answer."""


def handler(current: Callable[[], Loaded | None]) -> Handler:
    """A worker's answers: `{customer_id, top, request_id}` → the answer and the line of the prediction log."""

    def handle(body: dict[str, Any]) -> dict[str, Any]:
        loaded = current()
        if loaded is None:
            raise Refusal(503, "The worker has no model.")
        recommender: LiveRecommender = loaded.predictor
        request = RecommendationRequest(user_id=body["customer_id"], k=body["top"])
        [served] = recommender.recommend([request])
        if isinstance(served, Refusal):
            raise served
        told = (loaded.source.model, loaded.source.version, body["request_id"])
        return {
            "answer": msgspec.to_builtins(answer(served, *told)),
            "record": msgspec.to_builtins(record(request, served, *told)),
        }

    return handle


def endpoints(queue: Queue, *, seconds: float = SECONDS) -> list[Endpoint]:
    """`GET /recommendation`, and the state of its queue."""

    async def recommend(call: Call) -> Recommendations:
        query: RecommendationQuery = call.query
        body = {"customer_id": query.customer_id, "top": query.top, "request_id": call.request_id}
        found = await asked(queue, body, seconds)
        call.log(msgspec.convert(found["record"], RecommendationRecord))
        return msgspec.convert(found["answer"], Recommendations)

    async def state(call: Call) -> QueueState:
        return await queue.state()

    return [
        Endpoint(
            method="GET",
            path="/recommendation",
            summary="The products that a customer would rate best, through the queue.",
            handle=recommend,
            response=Recommendations,
            query=RecommendationQuery,
        ),
        Endpoint("GET", "/recommendation/queue", "What waits, what failed, who works.", state, QueueState),
    ]


async def asked(queue: Queue, body: dict[str, Any], seconds: float) -> Any:
    """What a worker answers to `body`.

    Raises:
        Refusal: 503 when the queue cannot take it or no answer came in time, 500 for a dead letter, or the worker's.
    """
    try:
        return await queue.ask(body, seconds)
    except Unavailable as error:
        raise _later(f"The queue cannot be reached: {error}.", 1) from error
    except Full:
        raise _later("Too many requests wait.", 1) from None
    except TimedOut:
        raise _later(f"No worker answered within {seconds:g} seconds.", 2) from None
    except Failed as error:
        raise Refusal(500, str(error)) from error


def _later(message: str, seconds: int) -> Refusal:
    return Refusal(503, message, headers=((b"retry-after", b"%d" % seconds),))

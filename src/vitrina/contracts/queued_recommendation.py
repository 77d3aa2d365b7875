"""HTTP messages of `GET /recommendation` and of the state of its queue."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vitrina.contracts.products import Word
from vitrina.contracts.recommendation import MOST_RECOMMENDED


class RecommendationQuery(msgspec.Struct):
    """Whom to recommend to, and how many products."""

    customer_id: Word
    top: Annotated[int, msgspec.Meta(ge=1, le=MOST_RECOMMENDED)] = 10


class WorkerState(msgspec.Struct):
    """One worker: how many requests it answered and gave up, and seconds since it was last heard of."""

    worker: str
    answered: int
    failed: int
    silent_seconds: float


class QueueState(msgspec.Struct):
    """What waits or is worked on (`depth`), what was given up (`dead_letters`), and the workers that live."""

    reachable: bool
    depth: int
    dead_letters: int
    workers: list[WorkerState]

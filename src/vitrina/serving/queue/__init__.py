"""Requests that a worker answers: one interface, through Redis Streams or within the process. Knows no family."""

from vitrina.serving.queue.embedded import EmbeddedQueue
from vitrina.serving.queue.interface import Failed, Full, Handler, Queue, TimedOut, Unavailable
from vitrina.serving.queue.redis_queue import RedisQueue
from vitrina.serving.queue.worker import QueueWorker

__all__ = [
    "EmbeddedQueue",
    "Failed",
    "Full",
    "Handler",
    "Queue",
    "QueueWorker",
    "RedisQueue",
    "TimedOut",
    "Unavailable",
]

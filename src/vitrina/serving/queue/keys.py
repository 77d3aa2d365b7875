"""Where a queue keeps things in Redis, the message it carries, and the steps that Redis does in one piece."""

from __future__ import annotations

from typing import Any

import msgspec

from vitrina.errors import UsageError

GROUP = "workers"
KEPT = 60
"""Seconds that an answer stays to be fetched."""

LETTERS = 10_000
"""Dead letters that are kept, about."""

FINISH = """
local fresh = redis.call('SET', KEYS[2], ARGV[3], 'NX', 'EX', ARGV[4])
if fresh then
  redis.call('RPUSH', KEYS[3], ARGV[3])
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 'message', ARGV[5], 'reason', ARGV[7])
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return fresh and 1 or 0
"""
"""Answer once (the first answer stays), tell who asked, set a dead letter aside, and take the request off the queue."""


class Message(msgspec.Struct):
    """A request on its way.

    Attributes:
        reply: the list that its answer is pushed to.
        expires: seconds since the epoch after which nobody waits any more.
    """

    id: str
    body: dict[str, Any]
    reply: str
    expires: float


class Keys:
    """The names of one queue; the braces keep them on one node of a Redis cluster."""

    def __init__(self, queue: str) -> None:
        root = f"vitrina:{{{queue}}}"
        self.requests = f"{root}:requests"
        self.letters = f"{root}:dead"
        self.workers = f"{root}:workers"
        self._root = root

    def answer(self, request_id: str) -> str:
        """Of the answer to a request."""
        return f"{self._root}:answer:{request_id}"

    def inbox(self, client: str) -> str:
        """Of the list of a client's answers."""
        return f"{self._root}:inbox:{client}"


CONNECTIONS = 8
"""Of one client: a burst of requests waits for them instead of opening one each, which takes longer than it saves."""


def connect(module: Any, retries: Any, url: str, timeout: float) -> Any:
    """A client of `module` (`redis` or `redis.asyncio`) that fails fast and never retries on its own.

    Raises:
        UsageError: when `url` is not a Redis address.
    """
    try:
        pool = module.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=1.0,
            retry=retries,
        )
    except ValueError as error:
        raise UsageError(f"VITRINA_REDIS_URL is not a Redis address: {error}.") from error
    return module.Redis.from_pool(pool)

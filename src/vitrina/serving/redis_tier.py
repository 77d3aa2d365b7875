"""The shared tier of the embedding cache. It may be slow, full or gone at any time: no request fails for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from vitrina.errors import UsageError
from vitrina.serving.cache import Counted

logger = logging.getLogger("vitrina.serving")

PREFIX = "vitrina:embedding:"
SECONDS_KEPT = 7 * 24 * 3600
TIMEOUT = 0.1
"""Seconds that connecting, and each answer, may take; computing one vector takes a tenth of that."""

TOGETHER = 256
"""Entries asked for, or written, in one round trip: under a megabyte."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds without Redis after a failure; doubled with each further one."""

T = TypeVar("T")


class RedisTier:
    """Vectors in a Redis server. Thread-safe. After a failure it is left alone a while, then tried by one caller."""

    name = "redis"

    def __init__(self, url: str, counted: Counted, *, seconds: int = SECONDS_KEPT, timeout: float = TIMEOUT) -> None:
        """Connects when first asked.

        Raises:
            UsageError: when `url` is not a Redis address.
        """
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
            )
        except ValueError as error:
            raise UsageError(f"VITRINA_REDIS_URL is not a Redis address: {error}.") from error
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._counted = counted
        self._seconds = seconds
        self._lock = threading.Lock()
        self._pause = 0.0
        self._asleep_until = 0.0

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Tier`; nothing while Redis does not answer."""
        found: list[bytes | None] = []
        for start in range(0, len(keys), TOGETHER):
            names = [PREFIX + key for key in keys[start : start + TOGETHER]]
            found += self._attempt(partial(self._redis.mget, names)) or [None] * len(names)
        return found

    def put(self, entries: dict[str, bytes]) -> None:
        """See `Tier`; kept for `seconds`."""
        items = list(entries.items())
        for start in range(0, len(items), TOGETHER):
            self._attempt(partial(self._write, items[start : start + TOGETHER]))

    def _write(self, items: list[tuple[str, bytes]]) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            for key, value in items:
                pipeline.set(PREFIX + key, value, ex=self._seconds)
            pipeline.execute()

    def _attempt(self, run: Callable[[], T]) -> T | None:
        """What `run` gives, or None when Redis is left alone or fails now."""
        if not self._may_try():
            return None
        try:
            result = run()
        except self._errors as error:
            self._failed(error)
            return None
        if self._pause:
            logger.info("The Redis cache answers again.")
            self._pause = 0.0
        return result

    def _may_try(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._asleep_until:
                return False
            if self._pause:  # this caller finds out; the others go on without
                self._asleep_until = now + self._pause
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            if not self._pause:
                logger.error("The Redis cache does not answer (%s); going on without it.", error)
            self._pause = min(LONGEST_PAUSE, 2 * self._pause or FIRST_PAUSE)
            self._asleep_until = time.monotonic() + self._pause
        self._counted(self.name, "failure", 1)

"""The asking side over Redis Streams: what was accepted is kept here until answered, and sent again after a loss.

Redis may be away at start, or lose all it holds: requests that wait are added once more when it is back. A request that
lies twice on the stream is worked on twice at most, and answered once: the first answer stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from vitrina.contracts.queued_recommendation import QueueState, WorkerState
from vitrina.serving.queue.interface import CAPACITY, Full, Reply, TimedOut, Unavailable
from vitrina.serving.queue.keys import Keys, Message, connect

logger = logging.getLogger("vitrina.serving")

BLOCK = 1
"""Seconds that one wait for answers takes; answers come at once."""

TIMEOUT = 2.0
"""Seconds until a Redis that says nothing counts as lost."""

OVERDUE = 1.0
"""Seconds after which an answer is looked for, in case it was lost between Redis and here."""

PAUSE = 0.1
TOGETHER = 100
SILENT = 5.0
"""Seconds after which a worker that is not heard of counts as dead."""


@dataclass
class _Waiting:
    message: bytes
    answer: asyncio.Future[Reply]
    since: float
    accepted: bool = False


class RedisQueue:
    """See `Queue`. One connection reads the answers to all requests of this process."""

    def __init__(
        self, url: str, name: str, *, capacity: int = CAPACITY, watch: Callable[[QueueState], None] | None = None
    ) -> None:
        """Connects when first asked; `watch` is told the state about every second.

        Raises:
            UsageError: when `url` is not a Redis address.
        """
        import redis
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis = connect(redis.asyncio, Retry(NoBackoff(), 0), url, TIMEOUT)
        self._errors = (redis.RedisError, OSError, asyncio.TimeoutError)
        self._keys = Keys(name)
        self._inbox = self._keys.inbox(uuid.uuid4().hex)
        self._capacity = capacity
        self._waiting: dict[str, _Waiting] = {}
        self._decoder = msgspec.json.Decoder(Reply)
        self._reader: asyncio.Task[None] | None = None
        self._watch = watch
        self._lost = False

    def start(self) -> None:
        """The reader begins with the first request."""

    def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.cancel()

    async def ask(self, body: dict[str, Any], timeout: float) -> Any:
        """See `Queue.ask`."""
        if len(self._waiting) >= self._capacity:
            raise Full
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read())
        name = uuid.uuid4().hex
        message = msgspec.json.encode(Message(name, body, self._inbox, time.time() + timeout))
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[name] = _Waiting(message, answer, time.monotonic())  # the answer may come at once
        try:
            await self._redis.xadd(self._keys.requests, {"message": message})
            waiting.accepted = True
            reply = await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            if not waiting.accepted:
                raise Unavailable("Redis does not answer") from None
            raise TimedOut from None
        except self._errors as error:
            raise Unavailable(str(error)) from error
        finally:
            self._waiting.pop(name, None)
        return reply.value()

    async def state(self) -> QueueState:
        """See `Queue.state`."""
        keys = self._keys
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                depth, letters, beats = (
                    await pipeline.xlen(keys.requests).xlen(keys.letters).hgetall(keys.workers).execute()
                )
        except self._errors:
            return QueueState(False, len(self._waiting), 0, [])
        now = time.time()
        told = [msgspec.json.decode(beat) for beat in beats.values()]
        workers = [WorkerState(one["worker"], one["answered"], one["failed"], now - one["time"]) for one in told]
        return QueueState(True, depth, letters, [worker for worker in workers if worker.silent_seconds < SILENT])

    async def _read(self) -> None:
        """Hand out answers for ever; whatever Redis does."""
        looked = time.monotonic()
        while True:
            try:
                if self._lost:
                    await self._send_again()
                    self._lost = False
                    logger.info("The Redis queue answers again.")
                found = await self._redis.blpop([self._inbox], timeout=BLOCK)
                if found is not None:
                    self._hand_out([found[1], *(await self._redis.lpop(self._inbox, TOGETHER) or [])])
                if time.monotonic() - looked > OVERDUE:
                    looked = time.monotonic()
                    await self._look_for_overdue()
                    if self._watch is not None:
                        self._watch(await self.state())
            except self._errors as error:
                if not self._lost:
                    logger.error("The Redis queue does not answer (%s); waiting for it.", error)
                self._lost = True
                await asyncio.sleep(PAUSE)

    def _hand_out(self, replies: list[bytes]) -> None:
        for content in replies:
            try:
                reply = self._decoder.decode(content)
            except msgspec.MsgspecError as error:  # not written by a worker of ours
                logger.error("An answer from the queue cannot be read: %s.", error)
                continue
            waiting = self._waiting.get(reply.id)
            if waiting is not None and not waiting.answer.done():
                waiting.answer.set_result(reply)

    async def _look_for_overdue(self) -> None:
        """Answers whose notice was lost; and requests that Redis has forgotten while the connection stood."""
        missing = await self._without_answer(OVERDUE)
        if missing and not await self._redis.xlen(self._keys.requests):
            await self._add(missing)

    async def _send_again(self) -> None:
        await self._add(await self._without_answer(0.0))

    async def _without_answer(self, seconds: float) -> list[_Waiting]:
        """Accepted requests that wait for longer and have no answer; the answers that are there are handed out."""
        now = time.monotonic()
        waiting = {name: one for name, one in self._waiting.items() if one.accepted and now - one.since > seconds}
        if not waiting:
            return []
        answers = await self._redis.mget([self._keys.answer(name) for name in waiting])
        self._hand_out([answer for answer in answers if answer is not None])
        return [one for one, answer in zip(waiting.values(), answers, strict=True) if answer is None]

    async def _add(self, waiting: list[_Waiting]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for one in waiting:
                pipeline.xadd(self._keys.requests, {"message": one.message})
            await pipeline.execute()

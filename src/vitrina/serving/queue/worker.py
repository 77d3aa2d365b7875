"""The working side over Redis Streams: takes requests, answers them, takes over what a dead worker left."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from vitrina.serving.queue.interface import DELIVERIES, Handler, Reply, dead, replied
from vitrina.serving.queue.keys import FINISH, GROUP, KEPT, LETTERS, Keys, Message, connect

logger = logging.getLogger("vitrina.serving")

LEASE = 1.0
"""Seconds without a sign of life after which another worker takes a request over."""

LONGEST = 30.0
"""Seconds that a worker may hold one request: a handler that hangs is not kept alive by its process."""

BLOCK = 0.2
START = b"0-0"
PAUSE = 0.2
FORGOTTEN = 60.0
"""Seconds after which what is known of a dead worker is cleaned away."""


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class _Taken:
    entry: str
    message: Message
    raw: bytes


class QueueWorker:
    """Consumes one queue on a thread. A `kill -9` loses nothing: what was not answered is taken over."""

    def __init__(
        self,
        url: str,
        name: str,
        handle: Handler,
        *,
        lease: float = LEASE,
        deliveries: int = DELIVERIES,
        longest: float = LONGEST,
        ready: Callable[[], bool] = lambda: True,
        counted: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        """Connects when started; takes nothing until `ready`; `counted` is told of each request `answered`, `failed`.

        Raises:
            UsageError: when `url` is not a Redis address.
        """
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.answered = 0
        self.failed = 0
        self._redis = connect(redis, Retry(NoBackoff(), 0), url, max(2.0, 2 * BLOCK))
        self._finish = self._redis.register_script(FINISH)
        self._errors = (redis.RedisError, OSError)
        self._no_group = redis.ResponseError
        self._keys = Keys(name)
        self._handle = handle
        self._lease = lease
        self._deliveries = deliveries
        self._longest = longest
        self._ready = ready
        self._counted = counted
        self._held: tuple[str, float] | None = None
        self._decoder = msgspec.json.Decoder(Message)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=f"queue-{what}", daemon=True)
            for what, run in (("work", self._work), ("beat", self._beat))
        ]

    def start(self) -> None:
        """Begin to take requests, now or when Redis is there."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what was taken, then stop."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(self._longest)

    def _work(self) -> None:
        lost, looked = False, 0.0
        while not self._stop.is_set():
            if not self._ready():
                self._stop.wait(PAUSE)
                continue
            try:
                if time.monotonic() - looked > self._lease / 2:
                    looked = time.monotonic()
                    self._prepare()
                    self._take_over()
                self._take()
                lost = False
            except self._errors as error:
                self._held = None
                if not lost:
                    logger.error("The Redis queue does not answer (%s); waiting for it.", error)
                lost, looked = True, 0.0
                self._stop.wait(PAUSE)

    def _prepare(self) -> None:
        """Make the group where it is not there: at the first start, and after Redis lost all it held."""
        try:
            self._redis.xgroup_create(self._keys.requests, GROUP, id="0", mkstream=True)
        except self._no_group as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _take(self) -> None:
        """Take a new request and answer it. One at a time: more would die, or wait, with the first."""
        found = self._redis.xreadgroup(GROUP, self.worker, {self._keys.requests: ">"}, count=1, block=int(BLOCK * 1000))
        for _, entries in found or []:
            for entry, fields in entries:
                self._answer(self._read(entry, fields), 1)

    def _take_over(self) -> None:
        """What nobody has worked on for a lease, one after the other."""
        cursor, first = START, True
        while not self._stop.is_set() and (first or cursor != START):
            cursor, entries, *_ = self._redis.xautoclaim(
                self._keys.requests, GROUP, self.worker, int(self._lease * 1000), start_id=cursor, count=1
            )
            first = False
            for entry, fields in entries:
                [known] = self._redis.xpending_range(self._keys.requests, GROUP, entry, entry, 1) or [{}]
                self._answer(self._read(entry, fields), int(known.get("times_delivered", 1)))

    def _read(self, entry: bytes, fields: dict[bytes, bytes]) -> _Taken:
        raw = fields.get(b"message", b"")
        try:
            message = self._decoder.decode(raw)
        except msgspec.MsgspecError as error:  # not written by us: nobody waits for it
            logger.error("A message on the queue cannot be read: %s.", error)
            message = Message("", {}, "", 0.0)
        return _Taken(entry.decode(), message, raw)

    def _answer(self, taken: _Taken, deliveries: int) -> None:
        """Answer a request; after too many attempts, set it aside and say so."""
        message = taken.message
        self._held = taken.entry, time.monotonic()
        if not message.id:
            self._finished(taken, _encode(Reply("", None, 422, "The message cannot be read.")), "unreadable")
            return
        if message.expires < time.time():
            self._finished(taken, _encode(Reply(message.id, None, 503, "The request came too late to a worker.")), "")
            return
        reply, why = None, "its worker died, or took too long"
        while deliveries <= self._deliveries:
            try:
                reply = _encode(replied(self._handle, message.id, message.body))
                break
            except Exception as error:  # a handler may raise anything; the request is tried again, then set aside
                logger.exception("Request %s from the queue failed.", message.id)
                why, deliveries = f"{type(error).__name__}: {error}", deliveries + 1
        if reply is None:
            self.failed += 1
            self._counted("failed")
            self._finished(taken, _encode(dead(message.id, self._deliveries, why)), why)
        else:
            self.answered += 1
            self._counted("answered")
            self._finished(taken, reply, "")

    def _finished(self, taken: _Taken, reply: bytes, why: str) -> None:
        """Give the answer, unless one was given; the request leaves the queue in the same step."""
        keys, message = self._keys, taken.message
        self._finish(
            keys=[keys.requests, keys.answer(message.id), message.reply or keys.inbox(""), keys.letters],
            args=[GROUP, taken.entry, reply, KEPT, taken.raw if why else "", LETTERS, why],
        )
        self._held = None

    def _beat(self) -> None:
        """Say that this worker lives, and keep what it holds from being taken over."""
        while not self._stop.wait(self._lease / 4):
            beat = {"worker": self.worker, "answered": self.answered, "failed": self.failed, "time": time.time()}
            held = self._held
            try:
                self._redis.hset(self._keys.workers, self.worker, _encode(beat))
                if held is not None and time.monotonic() - held[1] < self._longest:
                    self._redis.xclaim(self._keys.requests, GROUP, self.worker, 0, [held[0]], justid=True)
                self._clean()
            except self._errors:
                continue  # the other thread says it
        self._leave()

    def _clean(self) -> None:
        """Forget workers that died long ago."""
        beats = self._redis.hgetall(self._keys.workers)
        oldest = time.time() - FORGOTTEN
        dead_ones = {name for name, beat in beats.items() if msgspec.json.decode(beat)["time"] < oldest}
        if not dead_ones:
            return
        for consumer in self._redis.xinfo_consumers(self._keys.requests, GROUP):
            if consumer["name"] in dead_ones and not consumer["pending"]:  # who holds requests is still taken over from
                self._redis.xgroup_delconsumer(self._keys.requests, GROUP, consumer["name"])
        self._redis.hdel(self._keys.workers, *dead_ones)

    def _leave(self) -> None:
        """What is left at the end of a worker that was asked to stop."""
        try:
            self._redis.hdel(self._keys.workers, self.worker)
        except self._errors:
            return

"""What each API key used, in tokens: counted for all workers of a machine, and limited by the minute and the day.

A request reserves what it may use at most and settles what it used. The reservation counts as used at once, so that
requests at the same moment cannot spend the same tokens; a process that is killed leaves its reservations as spent.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vitrina.contracts.http import Refusal
from vitrina.errors import ServiceError

MINUTE, DAY = 60, 86_400
KEPT_DAYS = 40
LOCK_SECONDS = 0.5
"""How long a write waits for those of other workers, which take a tenth of a millisecond."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS used (
    caller TEXT NOT NULL,
    minute INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (caller, minute)
) WITHOUT ROWID
"""
ADD = "INSERT INTO used VALUES (?, ?, max(0, ?)) ON CONFLICT DO UPDATE SET tokens = max(0, tokens + ?)"


class Reservation(NamedTuple):
    """Tokens that a request may use, and the minute they are counted in."""

    caller: str
    minute: int
    tokens: int


class Used(NamedTuple):
    """Tokens of the present minute and day (UTC)."""

    minute: int
    day: int


class Accounts:
    """One SQLite file of what callers used; a part of a service. Thread-safe; its methods wait for the disk."""

    def __init__(self, path: Path, *, per_minute: int, per_day: int, clock: Callable[[], float] = time.time) -> None:
        """Limits of 0 are none."""
        self._path = Path(path)
        self._limits = ((MINUTE, per_minute, "minute"), (DAY, per_day, "day"))
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def reserve(self, caller: str, tokens: int) -> Reservation:
        """Count `tokens` as used by `caller`; without limits nothing need be reserved, and nothing is.

        Raises:
            Refusal: 429 when they are more than is left, with the seconds until there is more; 422 when they are more
                than a whole period has.
            ServiceError: when the accounts cannot be kept.
        """
        now = int(self._clock())
        if not any(limit for _, limit, _ in self._limits):
            return Reservation(caller, now // MINUTE, 0)
        with self._writing() as connection:
            for length, limit, name in self._limits:
                if limit and tokens > limit:
                    message = f"This request may use {tokens:,} tokens; the key has {limit:,} a {name} in all."
                    raise Refusal(422, message)
                if limit and (used := _used(connection, caller, now, length)) + tokens > limit:
                    raise _spent(name, limit, used, tokens, length - now % length)
            connection.execute(ADD, (caller, now // MINUTE, tokens, tokens))
        return Reservation(caller, now // MINUTE, tokens)

    def settle(self, reservation: Reservation, tokens: int) -> None:
        """Replace what was reserved by what was used.

        Raises:
            ServiceError: when the accounts cannot be kept.
        """
        difference = tokens - reservation.tokens
        with self._writing() as connection:
            connection.execute(ADD, (reservation.caller, reservation.minute, difference, difference))

    def used(self, caller: str) -> Used:
        """What `caller` used, with what is reserved now.

        Raises:
            ServiceError: when the accounts cannot be read.
        """
        now = int(self._clock())
        with self._writing() as connection:
            return Used(_used(connection, caller, now, MINUTE), _used(connection, caller, now, DAY))

    def start(self) -> None:
        """Open the file, so that what is wrong with it is known before the first request.

        Raises:
            ServiceError: when it cannot be written.
        """
        with self._writing():
            pass

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise ServiceError(f"The tokens that keys use cannot be counted in {self._path}: {error}.") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may forget the last seconds of counting
            connection.execute(SCHEMA)
            oldest = (int(self._clock()) - KEPT_DAYS * DAY) // MINUTE
            connection.execute("DELETE FROM used WHERE minute < ?", (oldest,))
            self._connection = connection
        return self._connection


def _used(connection: sqlite3.Connection, caller: str, now: int, length: int) -> int:
    """Tokens of the present period of so many seconds."""
    since = (now - now % length) // MINUTE
    query = "SELECT coalesce(sum(tokens), 0) FROM used WHERE caller = ? AND minute >= ?"
    return int(connection.execute(query, (caller, since)).fetchone()[0])


def _spent(name: str, limit: int, used: int, tokens: int, seconds: int) -> Refusal:
    message = (
        f"The key's {limit:,} tokens a {name} do not suffice: {used:,} are used or reserved, "
        f"this request may use {tokens:,}."
    )
    return Refusal(429, message, headers=((b"retry-after", b"%d" % seconds),))

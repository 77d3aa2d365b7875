"""What users did since the models were trained: one SQLite file, shared by the workers of all recommenders.

`POST /ai/interactions` writes it, every recommendation reads it: a purchase counts in the next request, without
retraining. Exact repeats are kept once; of each user the last `LONGEST` events.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vitrina.contracts.http import Refusal
from vitrina.contracts.recommendation import Interaction, InteractionsReceipt, InteractionsRequest
from vitrina.errors import DataError
from vitrina.serving.operation import Call, Endpoint

logger = logging.getLogger("vitrina.serving")

LONGEST = 500
MAX_BODY = 1024 * 1024
LOCK_SECONDS = 5.0
"""How long a write waits for other writers."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user TEXT NOT NULL, time REAL NOT NULL, product TEXT NOT NULL, event TEXT NOT NULL, value REAL,
    PRIMARY KEY (user, time, product, event)
) WITHOUT ROWID
"""


class LiveEvent(NamedTuple):
    """One kept event; `time` is in seconds since the epoch."""

    product_id: str
    event: str
    value: float | None
    time: float


class LiveHistories:
    """The kept events of all users. Thread-safe; any number of processes may use one file."""

    def __init__(self, path: Path, longest: int = LONGEST) -> None:
        self.path = Path(path)
        self.longest = longest
        self._local = threading.local()
        self._warned = False

    @classmethod
    def under(cls, home: Path) -> LiveHistories:
        """The file of all recommenders under Vitrina's home."""
        return cls(home / "histories" / "live.sqlite")

    def add(self, events: Sequence[Interaction]) -> int:
        """Keep events, all of them or none; returns how many were new.

        Raises:
            sqlite3.Error, OSError: when they cannot be kept.
        """
        now = time.time()
        rows = [
            (each.user_id, each.timestamp.timestamp() if each.timestamp else now, each.product_id, each.event)
            for each in events
        ]
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)",
                [(*row, each.value) for row, each in zip(rows, events, strict=True)],
            )
            new = connection.total_changes - before
            connection.executemany(
                "DELETE FROM events WHERE user = ?1 AND (time, product, event) <"
                " (SELECT time, product, event FROM events WHERE user = ?1"
                " ORDER BY time DESC, product DESC, event DESC LIMIT 1 OFFSET ?2)",
                [(user, self.longest - 1) for user in {row[0] for row in rows}],
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return new

    def of(self, user: str) -> list[LiveEvent]:
        """The kept events of a user, oldest first; none where the file cannot be read or is not there yet.

        A recommendation without the last events is better than none.
        """
        try:
            found = self._connection().execute(
                "SELECT product, event, value, time FROM events WHERE user = ? ORDER BY time", (user,)
            )
            return [LiveEvent(*row) for row in found]
        except (sqlite3.Error, OSError) as error:
            if not self._warned:
                logger.error("The events in %s cannot be read: %s.", self.path, error)
            self._warned = True
            return []

    def all(self) -> Iterator[tuple[str, str, str, float | None, float]]:
        """Every kept event in order of time: user, product, event, value, seconds since the epoch.

        Raises:
            DataError: when there is no such file, or it cannot be read.
        """
        if not self.path.is_file():
            raise DataError(f"There are no kept events at {self.path}.")
        try:
            yield from self._connection().execute(
                "SELECT user, product, event, value, time FROM events ORDER BY time, user, product, event"
            )
        except sqlite3.Error as error:
            raise DataError(f"{self.path} cannot be read as kept events: {error}.") from error

    def endpoint(self) -> Endpoint:
        """`POST /ai/interactions`."""
        return Endpoint(
            method="POST",
            path="/ai/interactions",
            summary="Keep what users did, for later recommendations.",
            handle=self._keep,
            request=InteractionsRequest,
            response=InteractionsReceipt,
            limit=MAX_BODY,
            example=InteractionsRequest([Interaction("p000001", "purchase", user_id="u000001")]),
        )

    def _keep(self, call: Call) -> InteractionsReceipt:
        events = call.request.events
        try:
            new = self.add(events)
        except (sqlite3.Error, OSError) as error:
            raise Refusal(503, f"Events cannot be kept: {error}.", headers=((b"retry-after", b"2"),)) from error
        return InteractionsReceipt(new, len(events) - new, call.request_id)

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; the file is made at first use."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=LOCK_SECONDS, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(SCHEMA)
            self._local.connection = connection
        return connection

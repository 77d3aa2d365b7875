"""Jobs, their rows and results in one SQLite file, shared by the workers of a machine.

A job's rows are divided into chunks. A worker claims a chunk for a while (a lease) and commits its results in one
transaction; a chunk whose worker died is claimed again when the lease ends. All rows of a job come from one version of
the model: a job of a version that nobody serves any more is started anew by the version that is served.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitrina.serving.tasks.records import Claim, Job, KeyConflict, NewRow, Row, TooManyJobs
from vitrina.serving.tasks.schema import SCHEMA

LEASE = 15.0
"""Seconds a worker has for a chunk, which takes about a tenth of a second."""

GONE = 20.0
"""Seconds after which a model version that no worker reported is no longer served."""

LOCK_SECONDS = 5.0
"""How long a write waits for other writers."""


class JobStore:
    """The file of one service's jobs. Thread-safe; every thread has a connection of its own."""

    def __init__(self, path: Path, *, kept: float, most: int, lease: float = LEASE) -> None:
        """`kept`: seconds a finished job stays; `most`: how many jobs may be unfinished."""
        self.path = Path(path)
        self.kept = kept
        self._most = most
        self._lease = lease
        self._local = threading.local()

    def submit(
        self,
        rows: Sequence[NewRow],
        chunks: Sequence[Sequence[int]],
        *,
        options: bytes,
        version: str,
        digest: str,
        key: str | None,
    ) -> str:
        """Keep a job and give its id; the job of an earlier call with the same `key` and `digest` is given again.

        Args:
            chunks: the numbers of the rows that run together; refused rows are in none.
            digest: tells the content of one request from another's.

        Raises:
            KeyConflict, TooManyJobs, sqlite3.Error: when it cannot be kept.
        """
        with self._writing(durable=True) as connection:
            if key is not None:
                known = connection.execute("SELECT id, digest FROM jobs WHERE key = ?", (key,)).fetchone()
                if known and known[1] != digest:
                    raise KeyConflict
                if known:
                    return str(known[0])
            waiting = connection.execute("SELECT COUNT(*) FROM jobs WHERE finished IS NULL").fetchone()[0]
            if waiting >= self._most:
                raise TooManyJobs
            job, now = uuid.uuid4().hex, time.time()
            places = {number: chunk for chunk, numbers in enumerate(chunks) for number in numbers}
            connection.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (job, key, digest, options, version, len(rows), len(rows) - len(places), now, None if chunks else now),
            )
            connection.executemany(
                "INSERT INTO chunks (job, chunk, rows) VALUES (?, ?, ?)",
                [(job, number, len(chunk)) for number, chunk in enumerate(chunks)],
            )
            connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, NULL)",
                [(job, n, places.get(n), row.name, row.payload, row.error) for n, row in enumerate(rows)],
            )
            return job

    def job(self, job: str) -> Job | None:
        """The state of a job; None where there is no such job."""
        found = (
            self._connection()
            .execute(
                "SELECT options, version, rows, refused, created, finished, cancelled,"
                " EXISTS (SELECT 1 FROM chunks WHERE job = id AND (done OR lease > 0)),"
                " (SELECT TOTAL(rows) FROM chunks WHERE job = id AND done),"
                " (SELECT TOTAL(failed) FROM chunks WHERE job = id)"
                " FROM jobs WHERE id = ?",
                (job,),
            )
            .fetchone()
        )
        if found is None:
            return None
        options, version, rows, refused, created, finished, cancelled, begun, run, failed = found
        state = "cancelled" if cancelled else "done" if finished else "running" if begun else "queued"
        succeeded, failed = int(run - failed), int(refused + failed)
        return Job(job, state, options, version, rows, succeeded, failed, created, finished)

    def done(self, job: str, first: int, last: int) -> list[Row]:
        """The rows `first` … `last` - 1 that are done, in order."""
        found = self._connection().execute(
            "SELECT row, name, result, error FROM rows WHERE job = ? AND row >= ? AND row < ?"
            " AND (result IS NOT NULL OR error IS NOT NULL) ORDER BY row",
            (job, first, last),
        )
        return [Row(*each) for each in found]

    def errors(self, job: str) -> list[Row]:
        """The rows that failed, in order."""
        found = self._connection().execute(
            "SELECT row, name, NULL, error FROM rows WHERE job = ? AND error IS NOT NULL ORDER BY row", (job,)
        )
        return [Row(*each) for each in found]

    def cancel(self, job: str) -> None:
        """End a job that is not finished; what is done of it stays."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE jobs SET finished = ?, cancelled = 1 WHERE id = ? AND finished IS NULL", (time.time(), job)
            )

    def claim(self, version: str) -> Claim | None:
        """A chunk to run with this version of the model, the oldest job's first; None where nothing waits."""
        if self._waiting(self._connection(), version) is None:  # no lock is taken while there is nothing to do
            return None
        with self._writing() as connection:
            found = self._waiting(connection, version)
            if found is None:
                return None
            job, chunk, attempts, options, made_by = found
            if made_by != version:
                _restart(connection, job, version)
                attempts = 0
            token = uuid.uuid4().hex
            connection.execute(
                "UPDATE chunks SET owner = ?, lease = ?, attempts = ? WHERE job = ? AND chunk = ?",
                (token, time.time() + self._lease, attempts + 1, job, chunk),
            )
            rows = connection.execute("SELECT row, payload FROM rows WHERE job = ? AND chunk = ?", (job, chunk))
            return Claim(token, job, chunk, attempts + 1, options, tuple(rows.fetchall()))

    def renew(self, claim: Claim) -> bool:
        """Keep a claim for another lease; False where it was lost, or the job has ended."""
        with self._writing() as connection:
            kept = connection.execute(
                "UPDATE chunks SET lease = ? WHERE job = ? AND chunk = ? AND owner = ? AND done = 0"
                " AND (SELECT finished FROM jobs WHERE id = job) IS NULL",
                (time.time() + self._lease, claim.job, claim.chunk, claim.token),
            ).rowcount
            return bool(kept)

    def finish(self, claim: Claim, outcomes: Sequence[bytes | str]) -> bool:
        """Keep a result (bytes) or an error (text) for each of the chunk's rows; False where the claim was lost."""
        with self._writing() as connection:
            kept = connection.execute(
                "UPDATE chunks SET done = 1, failed = ? WHERE job = ? AND chunk = ? AND owner = ? AND done = 0"
                " AND (SELECT finished FROM jobs WHERE id = job) IS NULL",
                (sum(isinstance(each, str) for each in outcomes), claim.job, claim.chunk, claim.token),
            ).rowcount
            if not kept:
                return False
            connection.executemany(
                "UPDATE rows SET result = ?, error = ? WHERE job = ? AND row = ?",
                [
                    (None, outcome, claim.job, number)
                    if isinstance(outcome, str)
                    else (outcome, None, claim.job, number)
                    for (number, _), outcome in zip(claim.rows, outcomes, strict=True)
                ],
            )
            connection.execute(
                "UPDATE jobs SET finished = ? WHERE id = ?"
                " AND NOT EXISTS (SELECT 1 FROM chunks WHERE job = id AND done = 0)",
                (time.time(), claim.job),
            )
            return True

    def tend(self, version: str) -> None:
        """Drop what has been kept long enough, and say that this version of the model is served."""
        connection = self._connection()
        oldest = time.time() - self.kept
        due = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE finished IS NULL), EXISTS (SELECT 1 FROM jobs WHERE finished < ?)",
            (oldest,),
        ).fetchone()
        if any(due):
            with self._writing() as connection:
                _seen(connection, version)
                for table in ("chunks", "rows"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE job IN (SELECT id FROM jobs WHERE finished < ?)", (oldest,)
                    )
                connection.execute("DELETE FROM jobs WHERE finished < ?", (oldest,))

    def _waiting(self, connection: sqlite3.Connection, version: str) -> tuple[Any, ...] | None:
        """Job, chunk, attempts, options and version of the chunk that is next for a worker of `version`."""
        now = time.time()
        found: tuple[Any, ...] | None = connection.execute(
            "SELECT job, chunk, attempts, options, version FROM jobs JOIN chunks ON job = id"
            " WHERE finished IS NULL AND done = 0 AND lease < ?"
            " AND (version = ? OR version NOT IN (SELECT version FROM versions WHERE seen > ?) AND created < ?)"
            " ORDER BY created, chunk LIMIT 1",
            (now, version, now - GONE, now - GONE),
        ).fetchone()
        return found

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; the file is made at first use."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=LOCK_SECONDS, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            self._local.connection = connection
        return connection

    @contextmanager
    def _writing(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept, or nothing.

        It survives the process; a `durable` one also survives a machine that loses power at once. After such a loss
        chunks may run again.
        """
        connection = self._connection()
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _seen(connection: sqlite3.Connection, version: str) -> None:
    """This version of the model is served now."""
    connection.execute("INSERT OR REPLACE INTO versions VALUES (?, ?)", (version, time.time()))


def _restart(connection: sqlite3.Connection, job: str, version: str) -> None:
    """Begin a job anew with another version of the model."""
    _seen(connection, version)
    connection.execute("UPDATE jobs SET version = ? WHERE id = ?", (version, job))
    connection.execute(
        "UPDATE chunks SET done = 0, failed = 0, owner = NULL, lease = 0, attempts = 0 WHERE job = ?", (job,)
    )
    connection.execute("UPDATE rows SET result = NULL, error = NULL WHERE job = ? AND chunk IS NOT NULL", (job,))

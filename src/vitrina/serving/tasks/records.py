"""What the job store takes and gives."""

from __future__ import annotations

from dataclasses import dataclass


class KeyConflict(Exception):
    """The idempotency key was used for other content."""


class TooManyJobs(Exception):
    """As many jobs as the store accepts are unfinished."""


@dataclass(frozen=True)
class NewRow:
    """A row to keep: the caller's name for it, what to run (None where it is refused), and why it is refused."""

    name: str | None
    payload: bytes | None
    error: str | None = None


@dataclass(frozen=True)
class Row:
    """A row that is done: a result or an error."""

    number: int
    name: str | None
    result: bytes | None
    error: str | None


@dataclass(frozen=True)
class Job:
    """A job's state; times are Unix seconds."""

    id: str
    state: str
    options: bytes
    version: str
    rows: int
    succeeded: int
    failed: int
    created: float
    finished: float | None


@dataclass(frozen=True)
class Claim:
    """A chunk that this worker runs now; `attempt` counts from 1."""

    token: str
    job: str
    chunk: int
    attempt: int
    options: bytes
    rows: tuple[tuple[int, bytes], ...]

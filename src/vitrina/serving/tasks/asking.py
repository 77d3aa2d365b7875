"""What the routes of all background jobs share: the job that is asked about, and the refusals."""

from __future__ import annotations

import sqlite3

from vitrina.contracts.http import Refusal
from vitrina.serving.tasks.records import Job
from vitrina.serving.tasks.store import JobStore


def known_job(store: JobStore, name: str) -> Job:
    """The job of this id.

    Raises:
        Refusal: 404 when there is none.
    """
    job = store.job(name)
    if job is None:
        raise Refusal(404, f"There is no job {name}; finished jobs are kept for {store.kept / 3600:g} hours.")
    return job


def cancel_job(store: JobStore, name: str) -> None:
    """End a job; one that is finished stays as it is.

    Raises:
        Refusal: 503.
    """
    try:
        store.cancel(name)
    except (sqlite3.Error, OSError) as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> Refusal:
    """503: the store cannot be read or written."""
    return Refusal(503, f"Background jobs cannot be kept: {error}.", headers=((b"retry-after", b"5"),))


def crowded() -> Refusal:
    """429: as many jobs as the store takes are unfinished."""
    return Refusal(429, "Too many jobs wait; try again.", headers=((b"retry-after", b"5"),))

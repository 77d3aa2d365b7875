from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from vitrina.serving.tasks import store as module
from vitrina.serving.tasks.records import Claim, KeyConflict, NewRow, TooManyJobs
from vitrina.serving.tasks.store import JobStore


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The store's time, which a test moves on."""
    now = [1_000_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    return now


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs.sqlite", kept=3600, most=5, lease=15)


def submit(store: JobStore, rows: int = 5, **options: Any) -> str:
    """A job of `rows` rows in chunks of two; the last row is refused."""
    content = [NewRow(f"name {n}", b"%d" % n) for n in range(rows - 1)] + [NewRow("bad", None, "It is bad.")]
    valid = list(range(rows - 1))
    chunks = [valid[start : start + 2] for start in range(0, len(valid), 2)]
    given = {"options": b"{}", "version": "1", "digest": "d", "key": None} | options
    return store.submit(content, chunks, **given)


def done(store: JobStore, claim: Claim) -> bool:
    return store.finish(claim, [b"result of " + payload for _, payload in claim.rows])


def claimed(store: JobStore, version: str = "1") -> Claim:
    claim = store.claim(version)
    assert claim is not None
    return claim


def state(store: JobStore, job: str) -> str:
    found = store.job(job)
    assert found is not None
    return found.state


def test_a_job_goes_from_queued_over_running_to_done(store: JobStore) -> None:
    job = submit(store, options=b"how")
    assert state(store, job) == "queued"
    first = claimed(store)
    assert (first.job, first.options, first.attempt, first.rows) == (job, b"how", 1, ((0, b"0"), (1, b"1")))
    assert state(store, job) == "running"
    assert done(store, first)
    assert state(store, job) == "running"
    second = claimed(store)
    assert store.finish(second, [b"result of 2", "no such thing"])
    assert store.claim("1") is None
    found = store.job(job)
    assert found is not None
    assert (found.state, found.rows, found.succeeded, found.failed) == ("done", 5, 3, 2)
    assert [(row.number, row.result, row.error) for row in store.done(job, 1, 5)] == [
        (1, b"result of 1", None),
        (2, b"result of 2", None),
        (3, None, "no such thing"),
        (4, None, "It is bad."),
    ]
    assert [(row.number, row.name) for row in store.errors(job)] == [(3, "name 3"), (4, "bad")]


def test_a_job_of_refused_rows_only_is_done_at_once(store: JobStore) -> None:
    job = store.submit([NewRow(None, None, "bad")], [], options=b"", version="1", digest="d", key=None)
    assert state(store, job) == "done"
    assert store.claim("1") is None


def test_older_jobs_come_first_and_no_chunk_is_given_twice(store: JobStore, clock: list[float]) -> None:
    first = submit(store)
    clock[0] += 1
    second = submit(store)
    claims = [claimed(store) for _ in range(4)]
    assert [claim.job for claim in claims] == [first, first, second, second]
    assert store.claim("1") is None


def test_a_chunk_whose_worker_died_is_run_again_after_its_lease(store: JobStore, clock: list[float]) -> None:
    submit(store, rows=3)
    lost = claimed(store)
    assert store.claim("1") is None
    clock[0] += 16
    again = claimed(store)
    assert (again.rows, again.attempt) == (lost.rows, 2)
    assert not done(store, lost)  # it was alive after all, but too late
    assert done(store, again)


def test_everything_survives_the_process(store: JobStore) -> None:
    job = submit(store)
    done(store, claimed(store))
    reopened = JobStore(store.path, kept=3600, most=5, lease=15)
    assert [row.result for row in reopened.done(job, 0, 4)] == [b"result of 0", b"result of 1"]
    done(reopened, claimed(reopened))
    assert state(store, job) == "done"


def test_the_same_key_gives_the_same_job_and_other_content_is_refused(store: JobStore) -> None:
    job = submit(store, key="monday")
    assert submit(store, key="monday") == job
    assert submit(store, key="tuesday") != job
    with pytest.raises(KeyConflict):
        submit(store, key="monday", digest="other")


def test_too_many_unfinished_jobs_are_refused(store: JobStore) -> None:
    jobs = [submit(store) for _ in range(5)]
    with pytest.raises(TooManyJobs):
        submit(store)
    store.cancel(jobs[0])
    submit(store)


def test_cancelling_stops_what_runs_keeps_what_is_done_and_spares_finished_jobs(store: JobStore) -> None:
    job = submit(store)
    done(store, claimed(store))
    running = claimed(store)
    store.cancel(job)
    assert not done(store, running)
    assert store.claim("1") is None
    assert state(store, job) == "cancelled"
    assert [row.number for row in store.done(job, 0, 10)] == [0, 1, 4]
    finished = submit(store, rows=2)
    done(store, claimed(store))
    store.cancel(finished)
    assert state(store, finished) == "done"


def test_finished_jobs_are_dropped_after_their_time(store: JobStore, clock: list[float]) -> None:
    old, open_ = submit(store, rows=2, key="k"), submit(store)
    done(store, claimed(store))
    clock[0] += 3601
    store.tend("1")
    assert store.job(old) is None
    assert store.done(old, 0, 10) == []
    assert state(store, open_) == "queued"
    assert submit(store, key="k") != old


def test_a_version_leaves_the_jobs_of_another_one_that_is_served(store: JobStore, clock: list[float]) -> None:
    submit(store)
    for _ in range(10):
        clock[0] += 10
        store.tend("1")
        assert store.claim("2") is None


def test_a_job_of_a_version_that_is_gone_starts_anew_with_the_present_one(store: JobStore, clock: list[float]) -> None:
    job = submit(store)
    store.tend("1")
    done(store, claimed(store))
    late = claimed(store)
    clock[0] += 25
    new = claimed(store, "2")
    assert [row.number for row in store.done(job, 0, 5)] == [4]  # what version 1 made is gone, the refusal stays
    assert not done(store, late)
    assert store.claim("1") is None
    done(store, new)
    done(store, claimed(store, "2"))
    found = store.job(job)
    assert found is not None
    assert (found.version, found.state, found.succeeded, found.failed) == ("2", "done", 4, 1)


def test_threads_share_the_work_of_a_job(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite", kept=3600, most=5)
    job = submit(store, rows=101)

    def run() -> None:
        while (claim := store.claim("1")) is not None:
            assert done(store, claim)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(store, job) == "done"
    assert [row.result for row in store.done(job, 0, 100)] == [b"result of %d" % n for n in range(100)]


def test_a_failed_write_keeps_nothing_of_it(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(store)
    with pytest.raises(sqlite3.Error):
        store.submit([NewRow("a", b"", None)] * 2, [[0, 1]], options=None, version="1", digest="", key=None)  # type: ignore[arg-type]
    submit(store)
    claim = claimed(store)
    with pytest.raises(ValueError, match="zip"):
        store.finish(claim, [b"one result for two rows"])
    assert store.done(claim.job, 0, 4) == []
    assert done(store, claim)

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vitrina.errors import DataError
from vitrina.serving.runtime import Loaded, Source
from vitrina.serving.tasks.records import NewRow
from vitrina.serving.tasks.runner import DIED, FAILED, Abandoned, JobRunner
from vitrina.serving.tasks.store import JobStore

LOADED = Loaded(predictor="model", source=Source(Path(), "toy", "1"), seconds=())


def wait_until(reached: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


class Counts(Counter[str]):
    def __call__(self, outcome: str, count: int) -> None:
        self[outcome] += count


def shout(predictor: Any, options: bytes, payloads: list[bytes], alive: Any) -> list[bytes]:
    """Upper case; some payloads cannot be shouted."""
    assert predictor == "model"
    if b"refused" in payloads:
        raise DataError("This one is refused.")
    if b"broken" in payloads:
        raise RuntimeError("details that no caller should see")
    return [payload.upper() + options for payload in payloads]


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs.sqlite", kept=3600, most=50, lease=0.3)


Run = Callable[..., JobRunner]


@pytest.fixture
def run(store: JobStore) -> Iterator[Run]:
    """Starts runners, and closes them after the test."""
    started: list[JobRunner] = []

    def start(work: Any = shout, model: Any = lambda: LOADED, counted: Any = None, threads: int = 2) -> JobRunner:
        runner = JobRunner(store, work, model, threads=threads, counted=Counts() if counted is None else counted)
        runner.start()
        started.append(runner)
        return runner

    yield start
    for runner in started:
        runner.close()


def submit(store: JobStore, payloads: list[bytes], chunk: int = 2) -> str:
    numbers = list(range(len(payloads)))
    chunks = [numbers[start : start + chunk] for start in range(0, len(numbers), chunk)]
    rows = [NewRow(None, payload) for payload in payloads]
    return store.submit(rows, chunks, options=b"!", version="1", digest="", key=None)


def is_done(store: JobStore, job: str) -> bool:
    found = store.job(job)
    return found is not None and found.state == "done"


def test_a_new_job_is_run_at_once(store: JobStore, run: Run) -> None:
    counts = Counts()
    runner = run(counted=counts)
    time.sleep(0.1)  # its threads have found nothing and wait
    began = time.monotonic()
    job = submit(store, [b"a", b"b", b"c"])
    runner.wake()
    wait_until(lambda: is_done(store, job))
    assert time.monotonic() - began < 0.9  # it would notice by itself after a second
    assert [row.result for row in store.done(job, 0, 3)] == [b"A!", b"B!", b"C!"]
    assert counts["succeeded"] == 3


def test_one_bad_row_does_not_take_its_neighbours_with_it(store: JobStore, run: Run) -> None:
    counts = Counts()
    job = submit(store, [b"a", b"refused", b"b", b"broken", b"c"], chunk=5)
    run(counted=counts)
    wait_until(lambda: is_done(store, job))
    assert [row.result or row.error for row in store.done(job, 0, 5)] == [
        b"A!",
        "This one is refused.",
        b"B!",
        FAILED,
        b"C!",
    ]
    wait_until(lambda: counts == {"succeeded": 3, "failed": 2})


def test_jobs_wait_for_a_model(store: JobStore, run: Run) -> None:
    models: list[Loaded | None] = [None]
    job = submit(store, [b"a"])
    runner = run(model=lambda: models[0])
    time.sleep(0.2)
    assert not is_done(store, job)
    models[0] = LOADED
    runner.wake()
    wait_until(lambda: is_done(store, job))


def test_what_another_process_left_half_done_is_finished(store: JobStore, run: Run) -> None:
    job = submit(store, [b"a", b"b", b"c"])
    assert store.claim("1") is not None  # by a process that then died
    run()
    wait_until(lambda: is_done(store, job))
    assert len(store.done(job, 0, 3)) == 3


def test_a_chunk_that_takes_its_worker_down_again_and_again_is_given_up(store: JobStore, run: Run) -> None:
    job = submit(store, [b"a", b"b", b"c"])
    for _ in range(3):
        assert store.claim("1") is not None
        time.sleep(0.32)
    run()
    wait_until(lambda: is_done(store, job))
    assert [row.error for row in store.done(job, 0, 3)] == [DIED, DIED, None]


def test_closing_waits_for_the_chunk_that_runs(store: JobStore, run: Run) -> None:
    begun = threading.Event()

    def slow(predictor: Any, options: bytes, payloads: list[bytes], alive: Any) -> list[bytes]:
        begun.set()
        time.sleep(0.2)
        return payloads

    job = submit(store, [b"a", b"b", b"c", b"d"])
    runner = run(slow, threads=1)
    begun.wait(10)
    runner.close()
    assert [row.number for row in store.done(job, 0, 4)] == [0, 1]


def test_a_store_that_fails_for_a_while_is_tried_again(
    store: JobStore, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    job = submit(store, [b"a"])
    hidden = store.path.with_name("hidden")
    store.path.parent.joinpath("other").mkdir()
    broken = JobStore(store.path.parent / "other", kept=1, most=1)  # a folder cannot be opened as a file
    runner = JobRunner(broken, shout, lambda: LOADED, threads=1, counted=Counts())
    runner.start()
    wait_until(lambda: "cannot be kept" in caplog.text)
    broken.path.rmdir()
    store._connection().execute("VACUUM INTO ?", (str(hidden),))
    hidden.rename(broken.path)
    runner.wake()
    wait_until(lambda: is_done(broken, job))
    runner.close()
    assert caplog.text.count("cannot be kept") == 1


def test_long_work_keeps_its_claim_and_hears_of_a_cancellation(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "long.sqlite", kept=3600, most=10, lease=0.3)
    begun, ended, runs = threading.Event(), threading.Event(), []

    def long(predictor: Any, options: bytes, payloads: list[bytes], alive: Any) -> list[bytes]:
        runs.append(payloads)
        while alive():
            begun.set()
            time.sleep(0.05)
        ended.set()
        raise Abandoned

    runner = JobRunner(store, long, lambda: LOADED, threads=2, counted=Counts())
    runner.start()
    try:
        job = submit(store, [b"one"])
        runner.wake()
        assert begun.wait(10)
        time.sleep(1)  # three leases: without renewal the second thread would have taken the chunk
        store.cancel(job)
        assert ended.wait(10)
    finally:
        runner.close()
    found = store.job(job)
    assert found is not None
    assert (found.state, found.succeeded, found.failed) == ("cancelled", 0, 0)
    assert len(runs) == 1

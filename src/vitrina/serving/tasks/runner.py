"""The threads of a worker that run the chunks of background jobs with the model in use."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from vitrina.errors import VitrinaError
from vitrina.serving.runtime import Loaded
from vitrina.serving.tasks.records import Claim
from vitrina.serving.tasks.store import JobStore

logger = logging.getLogger("vitrina.serving")

Alive = Callable[[], bool]
"""Keeps the claim for another lease; False: the job was cancelled, or another worker has the chunk."""

Work = Callable[[Any, bytes, list[bytes], Alive], Sequence[bytes]]
"""(predictor, options, payloads, alive) → one result a row. A VitrinaError's text becomes a lone row's error.

Work that takes long asks `alive` in between, and raises `Abandoned` where it says no.
"""

POLL_SECONDS = 1.0
"""How soon a job that another worker took in, or left behind, is noticed."""

TEND_SECONDS = 5.0
ATTEMPTS = 3
"""Times a chunk may take its worker down before it is given up."""

NICENESS = 5
"""Requests come first: background threads yield the processor to them."""

DIED = f"The service stopped {ATTEMPTS} times while it worked on this row and its neighbours."
FAILED = "The model failed on this row; see the service's log."


class Abandoned(Exception):
    """Nobody waits for this chunk any more."""


class JobRunner:
    """Runs chunks until it is closed; a part of a `ModelService`."""

    def __init__(
        self,
        store: JobStore,
        work: Work,
        model: Callable[[], Loaded | None],
        *,
        threads: int,
        counted: Callable[[str, int], None],
    ) -> None:
        """`model` gives the one in use; `counted` is told how many rows succeeded and failed."""
        self._store = store
        self._work = work
        self._model = model
        self._counted = counted
        self._stop = threading.Event()
        self._new = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._loop, name=f"jobs_{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        """Begin, also with what an earlier process left."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for work now: a job was taken in."""
        self._new.release(len(self._threads))

    def close(self) -> None:
        """Stop after the chunks that run now."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _loop(self) -> None:
        if sys.platform == "linux":  # where a thread has a niceness of its own
            os.nice(NICENESS)
        tended, warned = 0.0, ""
        while not self._stop.is_set():
            busy = False
            try:
                loaded = self._model()
                if loaded is not None:
                    if time.monotonic() - tended > TEND_SECONDS:
                        self._store.tend(loaded.source.version)
                        tended = time.monotonic()
                    busy = self._one(loaded)
                warned = ""
            except (sqlite3.Error, OSError) as error:  # a full disk, a damaged file: tried again
                if str(error) != warned:
                    logger.error("Background jobs cannot be kept in %s: %s.", self._store.path, error)
                warned = str(error)
            if not busy:
                self._new.acquire(timeout=POLL_SECONDS)

    def _one(self, loaded: Loaded) -> bool:
        """Run a chunk, if one waits."""
        claim = self._store.claim(loaded.source.version)
        if claim is None:
            return False
        try:
            outcomes = self._outcomes(loaded.predictor, claim)
        except Abandoned:
            return True
        if self._store.finish(claim, outcomes):
            failed = sum(isinstance(outcome, str) for outcome in outcomes)
            self._counted("failed", failed)
            self._counted("succeeded", len(outcomes) - failed)
        return True

    def _outcomes(self, predictor: Any, claim: Claim) -> Sequence[bytes | str]:
        payloads = [payload for _, payload in claim.rows]
        if claim.attempt > ATTEMPTS:
            return [DIED] * len(payloads)
        try:
            return self._work(predictor, claim.options, payloads, lambda: self._store.renew(claim))
        except Abandoned:
            raise
        except Exception:  # one row's fault must not be its neighbours'
            return [self._alone(predictor, claim, number, payload) for number, payload in claim.rows]

    def _alone(self, predictor: Any, claim: Claim, number: int, payload: bytes) -> bytes | str:
        try:
            return self._work(predictor, claim.options, [payload], lambda: self._store.renew(claim))[0]
        except Abandoned:
            raise
        except VitrinaError as error:
            return str(error)
        except Exception:
            logger.exception("Row %d of job %s failed.", number, claim.job)
            return FAILED

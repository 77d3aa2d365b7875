"""The prediction log: JSON lines, one file per process and day, written by a background thread.

Durable up to the last flush: a killed process (`kill -9`) loses what it answered in the last `FLUSH_SECONDS`; a machine
that loses power also loses what its operating system had not written yet. A full disk or an unwritable folder never
fails a prediction: the lines are counted as dropped and the reason is logged once a minute.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

logger = logging.getLogger("vitrina.serving")

FLUSH_SECONDS = 0.2
MAX_WAITING = 100_000
FEEDBACK = "feedback.jsonl"


def append_lines(path: Path, lines: bytes) -> None:
    """Append whole lines; one that a killed process left half written is closed first, so that it spoils no other."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            lines = b"\n" + lines
        while lines:
            lines = lines[os.write(handle, lines) :]
    finally:
        os.close(handle)


class PredictionLog:
    """Collects records and writes them every `FLUSH_SECONDS`; `dropped` is told how many could not be kept."""

    def __init__(self, folder: Path, dropped: Callable[[int], None]) -> None:
        self.folder = Path(folder)
        self._dropped = dropped
        self._encoder = msgspec.json.Encoder()
        self._waiting: deque[msgspec.Struct] = deque()
        self._warned = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to flush in the background."""
        self._thread.start()

    def append(self, record: msgspec.Struct) -> None:
        """Keep one record for the next flush. Never blocks, never raises."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(record)
        else:
            self._dropped(1)

    def feedback(self, record: msgspec.Struct) -> None:
        """Write one line to `feedback.jsonl` at once: its sender is told that it was kept.

        Raises:
            OSError: when it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        append_lines(self.folder / FEEDBACK, self._encoder.encode_lines([record]))

    def flush(self) -> None:
        """Write what waits. Called by the background thread and on shutdown."""
        count = len(self._waiting)
        if not count:
            return
        records = [self._waiting.popleft() for _ in range(count)]
        name = f"{datetime.now(UTC):%Y-%m-%d}.{os.getpid()}.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            append_lines(self.folder / name, self._encoder.encode_lines(records))
        except OSError as error:
            self._dropped(count)
            self._warn(error)

    def close(self) -> None:
        """Flush and stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def _loop(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self.flush()

    def _warn(self, error: OSError) -> None:
        if time.monotonic() - self._warned > 60 or not self._warned:
            self._warned = time.monotonic()
            logger.error("The prediction log cannot be written to %s: %s.", self.folder, error.strerror or error)

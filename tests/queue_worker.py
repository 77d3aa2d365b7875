"""A worker process for tests that kill one: `python -m tests.queue_worker URL QUEUE FOLDER`.

A body says what to do: `sleep` seconds, `die` (kill -9 itself), `raise`, `refuse`, answer something `odd` (no JSON).
FOLDER keeps one line per call.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vitrina.contracts.http import Refusal
from vitrina.serving.queue import QueueWorker


def handle(body: dict[str, Any], calls: Path) -> dict[str, Any]:
    """Do what the body says, and leave a line."""
    with calls.open("a") as file:
        file.write(f"{body['number']}\n")
    if body.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if body.get("refuse"):
        raise Refusal(422, "no such customer")
    if body.get("raise"):
        raise ValueError("cannot")
    if body.get("odd"):
        return {"number": object()}
    time.sleep(body.get("sleep", 0))
    return {"number": body["number"], "pid": os.getpid()}


def main(url: str, name: str, folder: str) -> None:
    """Work until SIGTERM."""
    calls = Path(folder) / f"calls.{os.getpid()}"
    worker = QueueWorker(url, name, lambda body: handle(body, calls), lease=0.5)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.start()
    stop.wait()
    worker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Something that may change outside of this process, looked at again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable

SECONDS = 2.0


class Watch:
    """Calls `look` every `SECONDS` in a thread of its own until it is closed. `look` must not raise."""

    def __init__(self, name: str, look: Callable[[], object]) -> None:
        self._look = look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first look comes after one pause."""
        self._thread.start()

    def close(self) -> None:
        """End, after a look that is under way."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SECONDS):
            self._look()

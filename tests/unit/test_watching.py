"""Looking again and again."""

import threading

import pytest

from vitrina import watching
from vitrina.watching import Watch


def test_it_looks_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.01)
    looks = threading.Semaphore(0)
    watch = Watch("test", looks.release)
    assert not looks.acquire(timeout=0.05)
    watch.start()
    for _ in range(2):
        assert looks.acquire(timeout=5)
    watch.close()
    while looks.acquire(blocking=False):
        pass
    assert not looks.acquire(timeout=0.1)


def test_one_that_never_started_can_be_closed() -> None:
    Watch("test", lambda: None).close()
    assert "test" not in {thread.name for thread in threading.enumerate()}


def test_the_look_itself_may_close_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.01)
    done = threading.Event()

    def look() -> None:
        watch.close()
        done.set()

    watch = Watch("test", look)
    watch.start()
    assert done.wait(timeout=5)

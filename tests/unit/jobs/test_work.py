from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from vitrina.errors import UsageError
from vitrina.jobs import work


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path))
    monkeypatch.delenv("VITRINA_REDIS_URL", raising=False)
    return tmp_path


@pytest.fixture
def redis_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    server = RedisServer(home)
    monkeypatch.setenv("VITRINA_REDIS_URL", server.url)
    return server


def test_a_worker_without_a_queue_says_how_to_name_one(fashion_folder: Path) -> None:
    with pytest.raises(UsageError, match="VITRINA_REDIS_URL"):
        work("fashion_recommender", model=str(fashion_folder))


def test_a_model_of_another_family_is_refused(fashion_folder: Path, redis_server: RedisServer) -> None:
    with pytest.raises(UsageError, match="a model of fashion_recommender, not of hybrid_recommender"):
        work("hybrid_recommender", model=str(fashion_folder))


def test_a_family_that_does_not_recommend_cannot_answer(student_folder: Path, redis_server: RedisServer) -> None:
    with pytest.raises(UsageError, match="cannot answer a queue"):
        work("intent_classifier", model=str(student_folder))


def test_a_worker_that_is_told_to_stop_says_what_it_did(fashion_folder: Path, redis_server: RedisServer) -> None:
    """Redis is absent all the while: the worker waits for it, and stops when asked."""

    def stop() -> None:
        time.sleep(3)
        os.kill(os.getpid(), signal.SIGTERM)

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    threading.Thread(target=stop, daemon=True).start()
    try:
        result = work("fashion_recommender", model=str(fashion_folder))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert (result.name, result.answered, result.failed) == ("fashion_recommender", 0, 0)

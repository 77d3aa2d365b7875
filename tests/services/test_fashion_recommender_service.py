"""`GET /recommendation` as callers use it: embedded in process; through Redis, BentoML and killed workers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.redis_server import RedisServer
from vitrina.monitoring import feedback
from vitrina.monitoring.predictions import read_window
from vitrina.serving.http import HttpService

PATH = "/recommendation"
BENTO = Path(__file__).parents[2] / "bentos" / "fashion_recommender"

Get = Callable[..., httpx.Response]


async def nothing_behind(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the middleware."""


@pytest.fixture
def home(fashion_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for this test's service, and the environment that makes it serve the small model."""
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path))
    monkeypatch.setenv("VITRINA_MODEL", str(fashion_folder))
    monkeypatch.delenv("VITRINA_REDIS_URL", raising=False)
    monkeypatch.delenv("VITRINA_CATALOGUE", raising=False)
    return tmp_path


@pytest.fixture
def started(home: Path) -> Iterator[Callable[[], Get]]:
    """Starts the service of the environment in this process; gives `get(path, **query)`."""
    from bentos.fashion_recommender.service import build

    loop = asyncio.new_event_loop()
    services = []

    def start() -> Get:
        service = build()
        services.append(service)
        service.start()
        app = HttpService(nothing_behind, build=lambda: service)

        def get(path: str = PATH, method: str = "GET", body: Any = None, **query: Any) -> httpx.Response:
            async def main() -> httpx.Response:
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                    return await client.request(method, path, params=query, json=body)

            return loop.run_until_complete(main())

        return get

    yield start
    for service in services:
        service.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def frequent(folder: Path) -> tuple[str, set[str]]:
    """The customer with most reviews, and what they reviewed."""
    from vitrina.recommendation.histories import Histories

    histories = Histories.load(folder / "histories")
    user = max(histories.users, key=lambda name: len(histories.of(name)))
    return user, {histories.products[item] for item in histories.of(user).items}


def test_a_known_customer_gets_the_top_products_without_those_reviewed(
    started: Callable[[], Get], fashion_folder: Path
) -> None:
    get, (user, reviewed) = started(), frequent(fashion_folder)
    answer = get(customer_id=user, top=5)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    shown = [each["product_id"] for each in body["recommendations"]]
    assert len(shown) == 5
    assert not set(shown) & reviewed
    assert all(1 <= each["score"] <= 5 for each in body["recommendations"])
    assert (body["cold_start"], body["user_known"], body["model"]) == (False, True, "fashion_recommender")


def test_an_unknown_customer_gets_a_cold_start_answer_that_says_so(started: Callable[[], Get]) -> None:
    body = started()(customer_id="nobody knows them").json()
    assert (body["cold_start"], body["user_known"], len(body["recommendations"])) == (True, False, 10)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"customer_id": "u", "top": "0"}, "top"),
        ({"customer_id": "u", "top": "-1"}, "top"),
        ({"customer_id": "u", "top": "1000000"}, "top"),
        ({"customer_id": "u", "top": "many"}, "top"),
        ({"customer_id": "u", "top": "2.5"}, "top"),
        ({"customer_id": ""}, "customer_id"),
        ({"top": "3"}, "customer_id"),
        ({"customer_id": "u", "limit": "3"}, "limit"),
    ],
)
def test_a_query_that_does_not_fit_is_422_and_names_the_parameter(
    started: Callable[[], Get], query: dict[str, str], field: str
) -> None:
    answer = started()(**query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["details"][0]["loc"][-1] == field


def test_what_a_customer_did_since_counts_at_once(started: Callable[[], Get]) -> None:
    get = started()
    [first, *_] = get(customer_id="new customer").json()["recommendations"]
    event = {"user_id": "new customer", "product_id": first["product_id"], "event": "purchase"}
    assert get("/ai/interactions", "POST", {"events": [event]}).status_code == 200
    body = get(customer_id="new customer", top=500).json()
    assert (body["cold_start"], body["user_known"]) == (False, True)
    assert first["product_id"] not in {each["product_id"] for each in body["recommendations"]}


def test_a_product_that_was_withdrawn_after_training_never_appears(
    started: Callable[[], Get], fashion_shop: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = pq.read_table(fashion_shop["catalogue"]).slice(0, 20)
    pq.write_table(kept, tmp_path / "now.parquet")
    monkeypatch.setenv("VITRINA_CATALOGUE", str(tmp_path / "now.parquet"))
    body = started()(customer_id="u", top=500).json()
    assert {each["product_id"] for each in body["recommendations"]} <= set(kept["product_id"].to_pylist())


def test_every_answer_is_logged_once_and_feedback_is_what_was_bought(started: Callable[[], Get], home: Path) -> None:
    get = started()
    answers = [get(customer_id=f"u{number}", top=3).json() for number in range(4)]
    bought = {"request_id": answers[0]["request_id"], "label": answers[0]["recommendations"][2]["product_id"]}
    assert get("/feedback", "POST", bought).status_code == 200
    log = home / "predictions" / "fashion_recommender"
    deadline = time.monotonic() + 10
    while not log.is_dir() or len(frame := read_window(log).frame) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert sorted(frame["request_id"]) == sorted(answer["request_id"] for answer in answers)
    assert {"label", "segment", "score", "popularity", "length"} <= set(frame.columns)
    found = feedback.accuracy(feedback.join(frame, feedback.read(log)))
    assert found is not None
    assert (found.accuracy, found.rows) == (1.0, 1)


def test_without_redis_the_answer_is_503_with_retry_after_and_the_state_says_so(
    started: Callable[[], Get], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_REDIS_URL", "redis://127.0.0.1:1/0")
    get = started()
    answer = get(customer_id="u")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "unavailable"
    assert get("/recommendation/queue").json()["reachable"] is False
    assert get("/healthz").status_code == 200


def test_without_a_worker_the_time_runs_out_as_503(
    started: Callable[[], Get], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RedisServer(home)
    server.start()
    try:
        monkeypatch.setenv("VITRINA_REDIS_URL", server.url)
        answer = started()(customer_id="u")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "No worker answered" in answer.json()["error"]["message"]
    finally:
        server.kill()


def test_the_workers_service_tells_health_and_counts_what_it_answered(
    home: Path, started: Callable[[], Get], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bentos.worker.service import build

    server = RedisServer(home)
    server.start()
    monkeypatch.setenv("VITRINA_REDIS_URL", server.url)
    worker = build()
    try:
        worker.start()
        answer = started()(customer_id="u", top=2)
        assert answer.status_code == 200, answer.text
        app = HttpService(nothing_behind, build=lambda: worker)

        async def main() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client:
                return [await client.get(path) for path in ("/readyz", "/metrics")]

        ready, metrics = asyncio.run(main())
        assert (ready.status_code, ready.json()["model"]) == (200, "fashion_recommender")
        assert 'vitrina_queue_requests_total{outcome="answered"} 1.0' in metrics.text
    finally:
        worker.close()
        server.kill()


def test_through_bentoml_redis_and_workers_of_which_one_is_killed_and_redis_restarts(
    home: Path, fashion_folder: Path
) -> None:
    """The whole path in processes of their own: no request that was accepted goes without its answer."""
    server = RedisServer(home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "VITRINA_REDIS_URL": server.url}
    env = {**os.environ, **own, "OMP_NUM_THREADS": "1", "PYTHONPROFILEIMPORTTIME": "1"}
    serve = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(port)]
    work = [
        sys.executable,
        "-m",
        "vitrina",
        "work",
        "fashion_recommender",
        "--model",
        str(_copied(fashion_folder, home)),
    ]
    output = (home / "output.log").open("wb")
    running = [
        subprocess.Popen(command, env=env, cwd=home, stdout=output, stderr=output) for command in (serve, work, work)
    ]
    url = f"http://127.0.0.1:{port}"

    def get(number: int) -> httpx.Response:
        return httpx.get(f"{url}{PATH}", params={"customer_id": f"u{number:06d}", "top": 3}, timeout=30)

    try:
        _until(lambda: httpx.get(f"{url}/readyz").status_code == 200, running[0])
        assert get(1).status_code == 503  # Redis is absent at start
        server.start()
        _until(lambda: len(httpx.get(f"{url}{PATH}/queue").json()["workers"]) == 2, running[0])
        with ThreadPoolExecutor(8) as callers:
            asked = [callers.submit(get, number) for number in range(60)]
            time.sleep(0.2)
            running[1].send_signal(signal.SIGKILL)
            answers = [each.result() for each in asked]
            assert [answer.status_code for answer in answers] == [200] * 60
            asked = [callers.submit(get, number) for number in range(20)]
            server.kill()
            server.start()
            later = [each.result() for each in asked]
        assert {answer.status_code for answer in later} <= {200, 503}
        _until(lambda: get(1).status_code == 200, running[0])
        metrics = httpx.get(f"{url}/metrics").text
        assert 'vitrina_queue{what="reachable"} 1.0' in metrics
    finally:
        for process in running:
            process.terminate()
            process.wait(30)
        output.close()
        server.kill()
    imported = {line.rpartition("|")[2].strip() for line in (home / "output.log").read_text().splitlines()}
    assert "onnxruntime" in imported  # the log does list imports
    assert not {"torch", "transformers", "mlflow", "pandas", "sklearn"} & imported


def _copied(folder: Path, home: Path) -> Path:
    """The model under the name of its family."""
    shutil.copytree(folder, home / "fashion_recommender")
    return home / "fashion_recommender"


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)

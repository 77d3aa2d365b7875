"""The product embedder's service as users run it: processes of its own, which are killed, and a Redis that dies."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.redis_server import RedisServer
from vitrina.errors import ArtifactError
from vitrina.jobs import index_build
from vitrina.jobs.package import package
from vitrina.jobs.serve import serve
from vitrina.registry import server

BENTO = Path(__file__).parents[2] / "bentos" / "product_embedder"
BATCH = "/ultra/embeddings/batch"
WORDS = 60
"""Of a title: long ones take a while."""

JOBS = 3
"""Of 1,000 products, so that something can happen before they are done."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(reached: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


class Service:
    """`bentoml serve` on one port; it can be killed and started again."""

    def __init__(self, home: Path, folder: Path = BENTO, **settings: Any) -> None:
        self.home = home
        port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        address = ["--host", "127.0.0.1", "--port", str(port)]
        self._command = [sys.executable, "-m", "bentoml", "serve", str(folder), *address]
        given = {"VITRINA_HOME": home, "VITRINA_PREDICTIONS": home / "log", "BENTOML_DO_NOT_TRACK": "True"}
        given |= {f"VITRINA_{name.upper()}": value for name, value in settings.items()}
        self._env = {**os.environ, "BENTOML_HOME": str(home / "bentoml"), **{k: str(v) for k, v in given.items()}}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "output.log").open("ab") as output:
            self._process = subprocess.Popen(self._command, env=self._env, stdout=output, stderr=output, cwd=self.home)
        wait_until(self._is_ready)

    def kill(self) -> None:
        """kill -9, all processes at once."""
        if self._process is not None:
            for each in [psutil.Process(self._process.pid), *self.processes()]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            self._process.wait()
            self._process = None

    def processes(self) -> list[psutil.Process]:
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def job(self, url: str) -> dict[str, Any]:
        try:
            return dict(self.client.get(url).json())
        except httpx.TransportError:  # the connection that was kept led to a worker that was killed
            return dict(self.client.get(url).json())

    def metric(self, line: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(each.rpartition(" ")[2]) for each in lines if each.startswith(line)), 0.0)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.home / "output.log").read_text()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        service.kill()


def products(count: int = 1000) -> list[dict[str, Any]]:
    return [{"title": f"shirt {n} " + "red wool " * (WORDS // 2), "product_id": f"p{n}"} for n in range(count)]


def submit(service: Service, count: int = 1000) -> str:
    taken = service.client.post(BATCH, json={"products": products(count), "dimensions": 128})
    assert taken.status_code == 202
    return str(taken.json()["url"])


def begun(service: Service) -> tuple[list[str], int]:
    """Jobs of which some rows are done, and how many; not all are."""
    urls = [submit(service) for _ in range(JOBS)]
    wait_until(lambda: service.job(urls[0])["done"] > 0)
    done = sum(service.job(url)["done"] for url in urls)
    assert done < 1000 * JOBS, "the jobs were done before anything could happen to them"
    return urls, done


def check_whole(service: Service, urls: list[str]) -> None:
    """Every row of every job has its result, once."""
    for url in urls:
        _check_whole(service, url)


def _check_whole(service: Service, url: str) -> None:
    wait_until(lambda: service.job(url)["status"] == "done")
    status = service.job(url)
    assert (status["succeeded"], status["failed"]) == (1000, 0)
    rows = [each for at in range(0, 1000, 500) for each in _page(service, url, at)]
    assert [each["row"] for each in rows] == list(range(1000))
    assert [each["product_id"] for each in rows] == [f"p{n}" for n in range(1000)]
    assert {len(each["embedding"]) for each in rows} == {128}


def _page(service: Service, url: str, offset: int) -> list[dict[str, Any]]:
    return list(service.client.get(f"{url}/results?offset={offset}&limit=500").json()["results"])


def test_a_job_survives_kill_9_and_is_finished_after_the_restart(embedder_folder: Path, tmp_path: Path) -> None:
    with running(Service(tmp_path / "home", model=embedder_folder)) as service:
        urls, before = begun(service)
        service.kill()
        service.start()
        assert sum(service.job(url)["done"] for url in urls) >= before
        check_whole(service, urls)
        made = service.metric('vitrina_job_rows_total{outcome="succeeded"}')
        assert made <= 1000 * JOBS - before  # what was done before was not done again


def test_a_worker_takes_over_from_one_that_died(embedder_folder: Path, tmp_path: Path) -> None:
    with running(Service(tmp_path / "home", model=embedder_folder, workers=2)) as service:
        wait_until(lambda: len(service.processes()) >= 2)
        urls, _ = begun(service)
        service.processes()[-1].kill()
        check_whole(service, urls)


def test_redis_dying_in_mid_job_loses_nothing(embedder_folder: Path, tmp_path: Path, redis_server: RedisServer) -> None:
    with running(Service(tmp_path / "home", model=embedder_folder, redis_url=redis_server.url)) as service:
        urls, _ = begun(service)
        redis_server.kill()
        check_whole(service, urls)
        assert service.metric('vitrina_cache_total{outcome="failure",tier="redis"}') >= 1
        answer = service.client.post("/ai/embeddings", json={"product": {"title": "while Redis is away"}})
        assert answer.status_code == 200


def test_services_share_what_they_embedded_through_redis(
    embedder_folder: Path, tmp_path: Path, redis_server: RedisServer
) -> None:
    body = {"products": [{"title": f"shirt {n}"} for n in range(50)]}
    answers = []
    for name in ("first", "second"):
        with running(Service(tmp_path / name, model=embedder_folder, redis_url=redis_server.url)) as service:
            answers.append(service.client.post("/ai/embeddings", json=body).json()["embeddings"])
            found = service.metric('vitrina_cache_total{outcome="hit",tier="redis"}')
            assert found == (0 if name == "first" else 50)
    assert answers[0] == answers[1]


def test_a_bento_searches_and_embeds_without_the_repository(
    embedder_folder: Path, index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    bento = package(str(embedder_folder), tmp_path / "bento").bento
    locked = (bento / "src" / "requirements.txt").read_text()
    assert all(
        re.search(rf"^{name}==", locked, re.MULTILINE) for name in ("faiss-cpu", "pyarrow", "redis", "safetensors")
    )
    assert not re.search(r"^(torch|transformers|mlflow|pandas)==", locked, re.MULTILINE)
    monkeypatch.setenv("PYTHONPATH", "")
    with running(Service(tmp_path / "run", bento, index=index_folder)) as service:
        found = service.client.post("/ai/search", json={"query": "green bag number 2", "k": 3}).json()
        assert found["searched"] == 60
        url = submit(service, 10)
        wait_until(lambda: service.job(url)["status"] == "done")
        maps = [Path(f"/proc/{each.pid}/maps").read_text() for each in service.processes()]
        assert not any("libtorch" in each for each in maps)


def test_the_serving_process_imports_neither_torch_nor_mlflow(
    embedder_folder: Path, index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with running(Service(tmp_path / "home", model=embedder_folder, index=index_folder)) as service:
        for mode in ("hybrid", "lexical"):
            body = {"query": "shirt", "mode": mode, "filters": {"max_price": 9}}
            assert service.client.post("/ai/search", json=body).status_code == 200
        submit(service, 5)
        assert service.processes()[-1].environ()["OMP_NUM_THREADS"] == "1"  # BLAS threads would spin beside the model's
        log = (tmp_path / "home" / "output.log").read_text()
    imported = set(re.findall(r"^import time:.*\|\s+([\w.]+)$", log, re.MULTILINE))
    assert {"bentoml", "faiss", "onnxruntime", "vitrina.serving.http"} <= imported
    roots = {name.partition(".")[0] for name in imported}
    # pandas is left to pyarrow, which imports it where it is installed; in a bento it is not.
    assert not roots & {"torch", "transformers", "mlflow", "sklearn", "scipy", "evidently"}


def test_serve_takes_an_index_and_refuses_one_that_the_model_did_not_build(
    embedder_folder: Path, student_folder: Path, catalogue_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    model = str(embedder_folder)
    with pytest.raises(ArtifactError, match="nowhere is not an index"):
        serve("product_embedder", model=model, port=free_port(), detach=True, index="nowhere")
    index_build(model, catalogue_of(4), "index")
    with pytest.raises(ArtifactError, match="was built by product_embedder"):
        serve("intent_classifier", model=str(student_folder), port=free_port(), detach=True, index="index")
    result = serve("product_embedder", model=model, port=free_port(), detach=True, index="index")
    try:
        found = httpx.post(f"{result.url}/ai/search", json={"query": "shirt"}, timeout=30).json()
        assert found["searched"] == 4
    finally:
        assert server.stop(result.name)

"""The intent service as users run it: `bentoml serve` in its own processes, spoken to over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from vitrina import watching
from vitrina.errors import ArtifactError, ServiceError
from vitrina.jobs.package import package
from vitrina.jobs.serve import serve
from vitrina.monitoring.predictions import read_window
from vitrina.registry import server
from vitrina.serving.runtime import point

BENTO = Path(__file__).parents[2] / "bentos" / "intent_classifier"
READY_SECONDS = 60  # on a machine that is busy with other work; the benchmark measures the figure


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, home: Path, **env: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """`bentoml serve` on a bento source or a built bento."""
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    home.mkdir(parents=True, exist_ok=True)
    base = {**os.environ, "BENTOML_HOME": str(home / "bentoml"), "VITRINA_PREDICTIONS": str(home / "log")}
    base |= {"BENTOML_DO_NOT_TRACK": "True", "VITRINA_HOME": str(home)}
    with (home / "output.log").open("wb") as output:
        process = subprocess.Popen(command, env={**base, **env}, stdout=output, stderr=output, cwd=home)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until(lambda: process.poll() is not None or answers(client))
            assert process.poll() is None, (home / "output.log").read_text()
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def wait_until(done: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def service(student_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One running service that follows a pointer file, with every import of its processes written to its log."""
    home = tmp_path_factory.mktemp("service")
    point(home / "model.json", student_folder, "intent_classifier", "1")
    env = {"VITRINA_MODEL": str(home / "model.json"), "PYTHONPROFILEIMPORTTIME": "1"}
    with served(BENTO, home, **env) as (client, process):
        yield client, process, home


def test_a_served_model_answers_over_http(service: Any) -> None:
    client, _, _ = service
    answer = client.post("/classify", json={"text": "¿dónde está mi pedido?"})
    assert answer.status_code == 200
    assert answer.json()["version"] == "1"
    assert sum(answer.json()["distribution"].values()) == pytest.approx(1)
    assert client.get("/readyz").json()["status"] == "ready"
    assert "vitrina_requests_total" in client.get("/metrics").text
    assert "/classify" in client.get("/docs.json").json()["paths"]
    assert "html" in client.get("/").text.lower()  # BentoML's own page shows /docs.json


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"text": ""}', 422),
        (b'{"text": 3}', 422),
        (b"{}", 422),
        (b'{"text": ', 400),
        (b'{"text": "\xff\xfe"}', 400),
        (json.dumps({"text": "x" * 1_000_000}).encode(), 413),
        ('{"text": "📦📦"}'.encode(), 200),
    ],
)
def test_bad_bodies_get_their_status_over_http(service: Any, content: bytes, status: int) -> None:
    client, _, _ = service
    response = client.post("/classify", content=content)
    assert response.status_code == status
    if status != 200:
        assert set(response.json()["error"]) == {"code", "message", "details"}


def test_the_serving_process_imports_neither_torch_nor_transformers_nor_mlflow_nor_pandas(service: Any) -> None:
    client, _, home = service
    assert client.post("/classify", json={"text": "hello"}).status_code == 200
    imported = set(re.findall(r"^import time:.*\|\s+([\w.]+)$", (home / "output.log").read_text(), re.MULTILINE))
    assert {"bentoml", "onnxruntime", "vitrina.serving.http"} <= imported  # the log does list imports
    roots = {name.partition(".")[0] for name in imported}
    assert not roots & {"torch", "transformers", "mlflow", "pandas", "kfp", "sklearn", "scipy", "evidently"}


def test_predictions_and_feedback_are_logged_within_a_flush(service: Any) -> None:
    client, _, home = service
    request_id = client.post("/classify", json={"text": "log me"}).json()["request_id"]
    assert client.post("/feedback", json={"request_id": request_id, "label": "refund"}).status_code == 200
    wait_until(lambda: request_id in set(read_window(home / "log").frame["request_id"]), 10)
    assert request_id in (home / "log" / "feedback.jsonl").read_text()


def test_a_new_pointer_switches_the_live_service_without_a_failed_request(service: Any, student_folder: Path) -> None:
    client, _, home = service
    point(home / "model.json", student_folder, "intent_classifier", "2")
    versions = []
    deadline = time.monotonic() + 5 * watching.SECONDS + 10
    while "2" not in versions and time.monotonic() < deadline:
        response = client.post("/classify", json={"text": "hello"})
        assert response.status_code == 200
        versions.append(response.json()["version"])
    assert versions[-1] == "2"
    assert versions == sorted(versions)


def test_a_damaged_new_model_leaves_the_old_one_serving(service: Any, student_folder: Path, tmp_path: Path) -> None:
    client, _, home = service
    damaged = Path(shutil.copytree(student_folder, tmp_path / "damaged"))
    (damaged / "labels.json").write_text("{}")
    before = client.get("/readyz").json()["version"]
    point(home / "model.json", damaged, "intent_classifier", "9")
    wait_until(lambda: "labels.json does not match its checksum" in (home / "output.log").read_text(), 30)
    assert client.post("/classify", json={"text": "hello"}).json()["version"] == before


def test_two_workers_share_one_set_of_metrics(student_folder: Path, tmp_path: Path) -> None:
    env = {"VITRINA_MODEL": str(student_folder), "VITRINA_WORKERS": "2", "VITRINA_API_KEYS": "secret"}
    with served(BENTO, tmp_path, **env) as (client, process):
        wait_until(lambda: len(process.children()) == 2)
        headers = {"X-API-Key": "secret", "Connection": "close"}
        total = 40
        statuses = [client.post("/classify", json={"text": "a"}, headers=headers).status_code for _ in range(total)]
        assert statuses == [200] * total
        assert client.post("/classify", json={"text": "a"}).status_code == 401
        counted = re.search(
            r'vitrina_requests_total\{route="/classify",status="200"\} ([\d.]+)', client.get("/metrics").text
        )
        assert counted is not None
        assert float(counted[1]) == total


def test_a_bento_serves_without_the_repository(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    result = package(str(student_folder), tmp_path / "bento")
    code = result.bento / "src" / "vitrina" / "__init__.py"
    code.write_text(code.read_text() + '\n__version__ = "packed"\n')  # tells the bento's code from the repository's
    with served(result.bento, tmp_path / "run", PYTHONPATH="") as (client, process):
        answer = client.post("/classify", json={"text": "hello"}).json()
        assert answer["version"] == result.version
        assert client.get("/docs.json").json()["info"]["version"] == "packed"
        maps = Path(f"/proc/{process.children()[0].pid}/maps").read_text()
        assert "libtorch" not in maps


def test_serve_refuses_a_taken_port_and_a_damaged_model(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for detach in (False, True):
            with pytest.raises(ServiceError, match=f"Port {port} is already taken"):
                serve("intent_classifier", model=str(student_folder), port=port, detach=detach)
    damaged = Path(shutil.copytree(student_folder, tmp_path / "damaged"))
    (damaged / "model.int8.onnx").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx does not match"):
        serve("intent_classifier", model=str(damaged), port=free_port(), detach=True)


def test_a_detached_service_is_ready_when_the_command_returns_and_stops_by_name(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    result = serve("intent_classifier", model=str(student_folder), port=free_port(), detach=True)
    try:
        answer = httpx.post(f"{result.url}/classify", json={"text": "hello"}, timeout=30).json()
        assert answer["version"] == result.version
    finally:
        assert server.stop(result.name)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{result.url}/healthz")

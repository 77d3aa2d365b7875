"""Where the registry is, and what happens when it does not answer."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from registry_support import free_port, python

from vitrina.errors import RegistryError
from vitrina.registry import server, tracking


def test_the_default_is_a_database_under_home(new_home: Path) -> None:
    assert tracking.tracking_uri() == f"sqlite:///{new_home}/mlflow.db"


def test_one_setting_names_another_database(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_BACKEND_STORE_URI", "postgresql://shop@db/mlflow")
    assert tracking.tracking_uri() == "postgresql://shop@db/mlflow"


def test_a_running_local_server_comes_before_its_database(services: Path) -> None:
    port = free_port()
    command = python("-m", "http.server", str(port), "--bind", server.HOST)
    url = f"http://{server.HOST}:{port}"
    service = server.start(tracking.SERVER, command, port=port, health_url=url)
    assert tracking.tracking_uri() == url
    os.killpg(service.pid, signal.SIGKILL)
    while service.alive:
        time.sleep(0.05)
    assert tracking.tracking_uri().startswith("sqlite:///")


def test_the_stated_server_comes_first(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_TRACKING_URI", "https://mlflow.shop.example")
    monkeypatch.setenv("VITRINA_BACKEND_STORE_URI", "postgresql://shop@db/mlflow")
    assert tracking.tracking_uri() == "https://mlflow.shop.example"


def test_connecting_leaves_nothing_in_the_working_folder(home: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    tracking.connect()
    assert sorted(tmp_path.iterdir()) == before


def test_a_registry_that_is_down_is_named_after_a_short_wait(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking.PATIENCE <= 15
    port = free_port()
    monkeypatch.setenv("VITRINA_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(tracking, "PATIENCE", 2.0)
    start = time.monotonic()
    with pytest.raises(RegistryError, match=rf"127\.0\.0\.1:{port} does not answer.*vitrina up"):
        tracking.connect()
    assert 0.5 <= time.monotonic() - start <= 4  # it tried more than once


def test_a_registry_that_comes_up_meanwhile_is_found() -> None:
    port = free_port()
    listener = []
    later = threading.Timer(0.8, lambda: listener.append(socket.create_server(("127.0.0.1", port))))
    started = time.monotonic()
    later.start()
    tracking._await_listener(f"http://127.0.0.1:{port}")
    assert time.monotonic() - started >= 0.7  # it did not give up before somebody listened
    later.join()
    listener[0].close()


def test_a_database_that_is_no_database_is_one_sentence(new_home: Path) -> None:
    new_home.mkdir()
    (new_home / "mlflow.db").write_bytes(b"this is no database " * 100)
    with pytest.raises(RegistryError, match="registry failed while opening it"):
        tracking.connect()


def test_an_experiment_is_made_once_and_found_again(home: Path) -> None:
    client = tracking.connect()
    first = tracking.experiment_id(client, "keyword_rules")
    client.delete_experiment(first)
    assert tracking.experiment_id(client, "keyword_rules") == first
    experiment = client.get_experiment(first)
    assert experiment.lifecycle_stage == "active"
    assert experiment.artifact_location == (home / "artifacts" / "keyword_rules").as_uri()

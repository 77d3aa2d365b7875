"""The supervisor, with real processes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
from registry_support import free_port, python

from vitrina.errors import ServiceError
from vitrina.registry import server

STUBBORN = """
import signal, subprocess, sys, http.server
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(99)"])
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


def start_web(name: str = "web", port: int | None = None, *code: str) -> server.Service:
    """Start a small web server under supervision."""
    port = port or free_port()
    command = python("-c", *code, str(port)) if code else python("-m", "http.server", str(port), "-b", server.HOST)
    return server.start(name, command, port=port, health_url=f"http://{server.HOST}:{port}/", timeout=20)


def group(pid: int) -> list[int]:
    """The processes of a group that have not ended."""
    return [each for each in psutil.pids() if server._is_living_member(each, pid)]


def test_a_started_service_answers_and_is_listed(services: Path) -> None:
    service = start_web()
    assert server.running() == {"web": service}
    assert service.url.startswith("http://127.0.0.1:")
    socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=2).close()


def test_starting_twice_gives_the_running_one(services: Path) -> None:
    first = start_web()
    assert start_web() == first


def test_two_starts_at_once_start_one(services: Path) -> None:
    port, found = free_port(), []
    threads = [threading.Thread(target=lambda: found.append(start_web("web", port))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]


def test_stopping_frees_the_port_and_forgets_the_service(services: Path) -> None:
    port = free_port()
    service = start_web("web", port)
    assert server.stop("web") is True
    assert server.services() == []
    assert group(service.pid) == []
    assert start_web("web", port).pid != service.pid
    assert server.stop("unknown") is False


def test_what_ignores_term_is_killed_with_its_children(services: Path) -> None:
    service = start_web("web", None, STUBBORN)
    assert len(group(service.pid)) == 2
    assert server.stop("web", grace=1) is True
    assert group(service.pid) == []


def test_workers_that_outlived_their_parent_are_stopped(services: Path) -> None:
    service = start_web("web", None, STUBBORN)
    os.kill(service.pid, signal.SIGKILL)
    while service.alive:
        time.sleep(0.05)
    assert server.running() == {}
    assert [each.name for each in server.services()] == ["web"]  # `vitrina status` shows that it died
    assert len(group(service.pid)) == 1
    assert server.stop("web", grace=1) is True
    assert group(service.pid) == []


def test_a_taken_port_is_named_with_the_way_out(services: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServiceError, match=f"Port {port} is already taken.*VITRINA_SERVE_PORT"):
            start_web("web", port)
    assert server.services() == []


def test_a_process_that_ends_at_once_says_why(services: Path) -> None:
    command = python("-c", "print('no model here'); raise SystemExit(3)")
    with pytest.raises(ServiceError, match=r"web ended with code 3 while starting: no model here"):
        server.start("web", command, port=free_port(), health_url="http://127.0.0.1:9/")
    assert server.services() == []


def test_a_process_that_never_answers_is_stopped(services: Path) -> None:
    before = set(psutil.Process().children())  # another test of this process may have left a helper of a library
    command = python("-c", "import time; time.sleep(60)")
    with pytest.raises(ServiceError, match="did not answer"):
        server.start("web", command, port=free_port(), health_url="http://127.0.0.1:9/", timeout=0.5)
    assert server.services() == []
    started = set(psutil.Process().children()) - before
    assert not [each for each in started if each.status() != psutil.STATUS_ZOMBIE]


def test_a_number_that_belongs_to_another_process_is_left_alone(services: Path) -> None:
    service = start_web()
    path = services / "services" / "web.json"
    server.write_json(path, service.model_copy(update={"started": service.started - 60}).model_dump(mode="json"))
    assert server.running() == {}
    assert server.stop("web") is False
    assert service.alive
    os.killpg(service.pid, signal.SIGKILL)


def test_the_environment_reaches_the_process_but_not_the_disk(services: Path) -> None:
    code = "import os, sys, http.server; print(os.environ['SECRET'], flush=True); "
    code += "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    service = server.start("web", python("-c", code, str(port)), {"SECRET": "xyzzy"}, port=port, health_url=url)
    assert "xyzzy" in service.log.read_text()
    assert "xyzzy" not in (services / "services" / "web.json").read_text()

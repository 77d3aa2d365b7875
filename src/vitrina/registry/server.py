"""A small supervisor of named local processes: the MLflow server, a detached model service.

Each service is one process group with its state in `<home>/services/<name>.json` and its output in `<name>.log` beside
it, so that any later command can find, list and stop it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from vitrina.artifacts import read_json, write_json
from vitrina.errors import ArtifactError, ServiceError
from vitrina.settings import TELEMETRY_OFF, load_settings

HOST = "127.0.0.1"


class Service(BaseModel):
    """One local process that was started here and can be found again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pid: int
    started: float  # when the kernel started `pid`, in epoch seconds: tells it from a later process of that number
    url: str
    log: Path

    def is_same_process(self) -> bool:
        """Whether `pid` is still the process that was started; it may be dead and not yet collected."""
        try:
            # The boot time that the kernel reports moves a little when the clock is corrected.
            return abs(psutil.Process(self.pid).create_time() - self.started) < 2
        except psutil.NoSuchProcess:
            return False

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.is_same_process() and _is_living_member(self.pid, self.pid)


def _folder() -> Path:
    folder = load_settings().home.resolve() / "services"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def services() -> list[Service]:
    """Every registered service, oldest first; one that is not `alive` died without being stopped."""
    found = []
    for path in _folder().glob("*.json"):
        try:
            found.append(Service.model_validate(read_json(path)))
        except (ArtifactError, ValidationError) as error:
            raise ServiceError(f"{path} does not describe a service; delete it and try again.") from error
    return sorted(found, key=lambda service: service.started)


def running() -> dict[str, Service]:
    """The services that are alive, by name."""
    return {service.name: service for service in services() if service.alive}


def start(
    name: str,
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    port: int,
    health_url: str,
    port_setting: str = "VITRINA_SERVE_PORT",
    timeout: float = 90.0,
) -> Service:
    """Start `command` detached and wait until `health_url` answers 200; one that runs already is returned as it is.

    Raises:
        ServiceError: the port is taken, the process ended, or it did not become healthy within `timeout` seconds.
    """
    folder = _folder()
    with FileLock(folder / f"{name}.lock"):
        if (service := running().get(name)) is not None:
            return service
        stop(name)  # workers that outlived their parent would hold the port
        if _listening(port):
            raise ServiceError(f"Port {port} is already taken by another program; set {port_setting} to a free one.")
        log = folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **TELEMETRY_OFF, **(env or {})},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = psutil.Process(process.pid).create_time()
        service = Service(name=name, pid=process.pid, started=started, url=f"http://{HOST}:{port}", log=log)
        write_json(folder / f"{name}.json", service.model_dump(mode="json"))
        try:
            _await_health(service, process, health_url, timeout)
        except BaseException:  # an interrupt too must leave nothing behind
            stop(name)
            raise
        return service


def _await_health(service: Service, process: subprocess.Popen[bytes], url: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServiceError(
                f"{service.name} ended with code {process.returncode} while starting: {_last_line(service.log)} "
                f"(all of it: {service.log})."
            )
        if _healthy(url):
            return
        time.sleep(0.2)
    raise ServiceError(f"{service.name} did not answer at {url} within {timeout:.0f} s; its log is {service.log}.")


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _listening(port: int) -> bool:
    """Whether something accepts connections; asking finds listeners on other addresses of this machine's port too."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def stop(name: str, grace: float = 10.0) -> bool:
    """Stop a service and everything it started: TERM, and KILL after `grace` seconds. False where there was none."""
    service = next((each for each in services() if each.name == name), None)
    if service is None:
        return False
    found = bool(_group(service))
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _group(service):
            with suppress(ProcessLookupError):
                os.killpg(service.pid, number)
            _await_end(service, grace)
    (_folder() / f"{name}.json").unlink(missing_ok=True)
    return found


def _await_end(service: Service, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _group(service) and time.monotonic() < deadline:
        time.sleep(0.1)


def _group(service: Service) -> list[int]:
    """The living processes of a service's group, also where their leader has died."""
    if psutil.pid_exists(service.pid) and not service.is_same_process():
        return []  # the number now belongs to somebody else
    return [pid for pid in psutil.pids() if _is_living_member(pid, service.pid)]


def _is_living_member(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
        return False

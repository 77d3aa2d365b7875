"""Where the registry is, and a client for it that fails fast and in one sentence."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock

from vitrina.errors import RegistryError
from vitrina.registry import server
from vitrina.settings import load_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVER = "mlflow"  # the local server's name among the services
PATIENCE = 15.0  # seconds to wait for a registry that does not answer
DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
CLIENT_ENVIRONMENT = {
    # MLflow's own default is 7 retries with doubling pauses: four minutes of silence when the server is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is the command's JSON
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": str(sys.stderr.isatty()).lower(),
}


def store_uri() -> str:
    """The database of this machine's registry: what `VITRINA_BACKEND_STORE_URI` says, else sqlite under home."""
    settings = load_settings()
    return settings.backend_store_uri or f"sqlite:///{settings.home.resolve() / 'mlflow.db'}"


def artifact_root() -> Path:
    """Where this machine's registry keeps model files."""
    return load_settings().home.resolve() / "artifacts"


def tracking_uri() -> str:
    """`VITRINA_TRACKING_URI`, else the local server where it runs, else its database directly."""
    if uri := load_settings().tracking_uri:
        return uri
    local = server.running().get(SERVER)
    return local.url if local else store_uri()


def exists() -> bool:
    """Whether there is a registry to ask: a named or running server, or a database that somebody made."""
    settings = load_settings()
    if settings.tracking_uri or settings.backend_store_uri or SERVER in server.running():
        return True
    return (settings.home.resolve() / "mlflow.db").is_file()


def start_server() -> server.Service:
    """Start the MLflow server on this machine's store, or return the one that runs."""
    port = load_settings().mlflow_port
    artifact_root().mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", server.HOST, "--port", str(port)]
    # Clients on this machine read and write artifacts directly, so what is logged through the server opens without it.
    command += ["--workers", "1", "--no-serve-artifacts", "--default-artifact-root", str(artifact_root())]
    env = {
        "MLFLOW_BACKEND_STORE_URI": store_uri(),  # no argument: it may hold a password, which `ps` would show
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # saves 13 processes and 1.8 GB
    }
    health = f"http://{server.HOST}:{port}/health"
    return server.start(SERVER, command, env, port=port, health_url=health, port_setting="VITRINA_MLFLOW_PORT")


def connect() -> MlflowClient:
    """A client of the registry, which is also made MLflow's current one.

    Raises:
        RegistryError: when the registry does not answer for `PATIENCE` seconds.
    """
    uri = tracking_uri()
    _await_listener(uri)
    for name, value in CLIENT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Two processes that create the tables of one new database at once would both fail.
    with registry_errors("opening it"), lock("database"):
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        client = mlflow.MlflowClient(uri, uri)
        client.search_registered_models(max_results=1)  # creates the tables of a new database
    return client


def lock(name: str) -> FileLock:
    """One process at a time on this machine may change what `name` names."""
    folder = load_settings().home.resolve() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _await_listener(uri: str) -> None:
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]
    if parts.hostname is None:  # sqlite, or a socket in the file system
        return
    port = parts.port or DEFAULT_PORTS.get(scheme, 80)
    deadline, pause = time.monotonic() + PATIENCE, 0.5
    while True:
        try:
            socket.create_connection((parts.hostname, port), timeout=3).close()
            return
        except OSError as error:
            if time.monotonic() + pause > deadline:
                raise RegistryError(
                    f"The registry at {parts.hostname}:{port} does not answer ({error}); "
                    "start it with `vitrina up` or set VITRINA_TRACKING_URI."
                ) from error
        time.sleep(pause)
        pause *= 2


@contextmanager
def registry_errors(action: str) -> Iterator[None]:
    """Turn what MLflow, its database or its HTTP client raise into one sentence that says what was being done."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:  # requests' errors are OSErrors
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RegistryError(f"The registry failed while {action}: {lines[0][:300]}") from error


def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of a family's experiment, created on first use; a deleted one is restored."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        # Only the client that opens the database itself must say where artifacts go; a server knows its own place.
        direct = not tracking_uri().startswith("http")
        location = (artifact_root() / name).as_uri() if direct else None
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id

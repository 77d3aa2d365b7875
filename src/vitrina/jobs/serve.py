"""Serve a model, or a service that has none, with BentoML: in the foreground or detached."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from vitrina.jobs.result import JobResult

HOST = "127.0.0.1"


class ServeResult(JobResult):
    """Where the service answers and what it serves; `log` is its output."""

    name: str
    url: str
    model: str
    version: str
    log: Path | None


def serve(
    family: str,
    *,
    model: str | None = None,
    port: int | None = None,
    workers: int = 1,
    detach: bool = False,
    index: str | None = None,
) -> ServeResult:
    """Start the service of `family`; with `detach` return once it is ready, otherwise when it ends.

    Without `model` it serves the champion and follows it. `index` (a folder or a database) is what it searches. A
    service that is of no family (`assistant`) takes neither.

    Raises:
        UsageError, ServiceError: another family's model, a port that is taken, a service that does not become ready.
        ArtifactError: no such index, or one that this model did not build.
    """
    from vitrina.packaging.bento import bentoml_command, service_folder
    from vitrina.registry import server
    from vitrina.settings import disable_telemetry, load_settings

    disable_telemetry()
    folder = service_folder(family)
    settings = load_settings()
    port = port or settings.serve_port
    name = f"{family}-{port}"
    served, version = _nothing(family, model, index) if serves_no_model(family) else _model(family, model, index, name)
    home = settings.home.resolve()
    env = {
        "VITRINA_HOME": str(home),
        "VITRINA_WORKERS": str(workers),
        **served,
        # One per service: BentoML keeps the workers' metrics there and wipes them when any service starts.
        "BENTOML_HOME": str(home / "services" / f"bentoml-{port}"),
    }
    (home / "services" / f"bentoml-{port}").mkdir(parents=True, exist_ok=True)
    command = bentoml_command("serve", "--working-dir", str(folder), "--host", HOST, "--port", str(port), "service")
    log = None
    if detach:
        log = server.start(name, command, env, port=port, health_url=f"http://{HOST}:{port}/readyz").log
    else:
        _run(command, env, port)
    return ServeResult(name=name, url=f"http://{HOST}:{port}", model=family, version=version, log=log)


def serves_no_model(name: str) -> bool:
    """Whether `name` is a bento that is of no family: its settings come from the environment alone."""
    from vitrina.errors import UsageError
    from vitrina.families.catalog import names
    from vitrina.packaging.bento import service_folder

    if not name.isidentifier() or name in names():
        return False
    try:
        return service_folder(name).is_dir()
    except UsageError:
        return False


def _nothing(service: str, model: str | None, index: str | None) -> tuple[dict[str, str], str]:
    from vitrina import __version__
    from vitrina.errors import UsageError

    if model is not None or index is not None:
        raise UsageError(f"{service} takes all it needs from the environment: leave out --model and --index.")
    return {}, __version__


def _model(family: str, model: str | None, index: str | None, name: str) -> tuple[dict[str, str], str]:
    """What the service finds its model and index by, and the model's version."""
    from vitrina.errors import UsageError
    from vitrina.jobs.switch import champion, pointer_of, source_of
    from vitrina.serving.runtime import point

    source = source_of(model or champion(family))
    if source.model != family:
        raise UsageError(f"{model} is a model of {source.model}, not of {family}.")
    searched = {} if index is None else {"VITRINA_INDEX": _location(index, source.folder)}
    pointer = pointer_of(family if model in (None, champion(family)) else name)
    point(pointer, source.folder, source.model, source.version)
    return {"VITRINA_MODEL": str(pointer), **searched}, source.version


def _location(index: str, model: Path) -> str:
    """Where an index is, wherever the service runs; it is opened once, to say now what would fail later."""
    from vitrina.artifacts import folder_version
    from vitrina.search import open_index

    opened = open_index(index, version=folder_version(model))
    opened.close()
    return index if "://" in index else str(Path(index).resolve())


def _run(command: list[str], env: dict[str, str], port: int) -> None:
    """Run in the foreground until the service ends or the user interrupts it."""
    from vitrina.errors import ServiceError

    if is_taken(port):
        raise ServiceError(f"Port {port} is already taken by another program; choose one with --port.")
    process = subprocess.Popen(command, env={**os.environ, **env})
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()  # the terminal sent the interrupt to the service too
    if code:
        raise ServiceError(f"The service ended with code {code}; its output above says why.")


def is_taken(port: int) -> bool:
    """Whether something listens on `port` of this machine."""
    import socket

    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0

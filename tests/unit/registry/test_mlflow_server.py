"""The real MLflow server: started and stopped by the commands, lost while registering, and on a real Postgres."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_support import MakeModel, evaluation_of, free_port
from typer.testing import CliRunner

import vitrina.cli.registry  # noqa: F401 - adds its commands to the app
from vitrina.artifacts import verify_manifest
from vitrina.cli import app
from vitrina.errors import RegistryError
from vitrina.evaluation.policy import Policy
from vitrina.registry import models, promotion, server, tracking
from vitrina.registry import run as run_content

NAME = "keyword_rules"
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def run(*arguments: str) -> dict[str, Any]:
    """The JSON of a command that succeeds."""
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def register(folder: Path) -> models.RegisteredModel:
    """Register a folder that `make_model` made."""
    return models.register_model(folder, evaluation_of(folder))


def test_the_server_loop_and_its_loss_while_registering(
    services: Path, make_model: MakeModel, held_out: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.mkdir()
    shutil.copy(empty_database, services / "mlflow.db")
    first = run("up")
    assert run("up") == first
    assert tracking.tracking_uri() == first["url"]

    folder = make_model("good")
    assert register(folder).version == "1"
    assert promotion.promote(NAME, "1", held_out, Policy()).promoted

    log_model = run_content.log_model

    def lose_the_server(*arguments: object) -> str:
        found = log_model(*arguments)  # type: ignore[arg-type]
        os.killpg(first["pid"], 9)
        return found

    with monkeypatch.context() as patch:
        patch.setenv("VITRINA_TRACKING_URI", first["url"])
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        patch.setattr(run_content, "log_model", lose_the_server)
        with pytest.raises(RegistryError, match="registry failed while registering worse"):
            register(make_model("worse", ("refund",)))

    # The database itself is whole, readable without the server, and holds no half version.
    assert tracking.tracking_uri().startswith("sqlite:///")
    assert [line.version for line in listing()] == ["1"]
    assert verify_manifest(models.resolve(f"models:/{NAME}@champion"))["family"] == NAME
    second = register(make_model("second"))
    assert second.version == "2"
    assert promotion.promote(NAME, "2", held_out, Policy()).promoted
    assert run("down") == {"stopped": []}


def listing() -> list:
    """The registered versions."""
    from vitrina.registry.listing import registered_versions

    return registered_versions(NAME)


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URI of a fresh Postgres server of this machine."""
    if POSTGRES is None:
        pytest.skip("Postgres is not installed here (Debian: apt-get install postgresql)")
    as_user: list[str] = []
    if os.getuid() == 0:  # initdb refuses root
        if shutil.which("runuser") is None:
            pytest.skip("Postgres does not run as root and there is no runuser")
        as_user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp())  # not pytest's folder, which is closed to other users
    if as_user:
        shutil.chown(folder, "postgres")
    data, port = folder / "data", free_port()

    def execute(program: str, *arguments: str) -> None:
        command = [*as_user, str(POSTGRES / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=120)

    try:
        execute("initdb", "-D", str(data), "-U", "shop", "--auth=trust", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        execute("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        execute("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "shop", "registry")
        yield f"postgresql://shop@127.0.0.1:{port}/registry"
    finally:
        subprocess.run([*as_user, str(POSTGRES / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], cwd=folder)
        shutil.rmtree(folder)


@pytest.mark.slow
def test_postgres_by_one_setting_with_and_without_the_server(
    postgres: str, services: Path, make_model: MakeModel, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_BACKEND_STORE_URI", postgres)
    url = run("up")["url"]
    assert tracking.tracking_uri() == url
    assert register(make_model("one")).version == "1"
    assert promotion.promote(NAME, "1", held_out, Policy()).promoted
    assert run("down") == {"stopped": ["mlflow"]}

    assert tracking.tracking_uri() == postgres
    assert register(make_model("two")).version == "2"
    assert promotion.promote(NAME, "2", held_out, Policy()).champion == "1"
    assert promotion.rollback(NAME) == ("1", "2")
    assert verify_manifest(models.resolve(f"models:/{NAME}@champion"))["family"] == NAME
    assert not list(services.rglob("*.db"))
    assert postgres not in "".join(path.read_text() for path in (services / "services").glob("*.json"))


def test_a_postgres_that_is_down_is_one_sentence(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("VITRINA_BACKEND_STORE_URI", f"postgresql://shop:secret@127.0.0.1:{port}/registry")
    monkeypatch.setattr(tracking, "PATIENCE", 0.6)
    with pytest.raises(RegistryError, match=f"127.0.0.1:{port} does not answer") as caught:
        tracking.connect()
    assert "secret" not in str(caught.value)
    assert server.services() == []

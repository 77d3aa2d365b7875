"""The registry's commands, as a person or a program calls them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from registry_support import MakeModel, evaluation_of, free_port, python
from typer.testing import CliRunner

import vitrina.cli.registry
from vitrina.cli import app
from vitrina.errors import GateRejected, RegistryError, ServiceError, UsageError
from vitrina.registry import server

NAME = "keyword_rules"


def run(*arguments: str) -> str:
    """The standard output of a command that succeeds."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy that asks for 90% accuracy."""
    path = tmp_path / "policy.yaml"
    path.write_text("default: {metrics: {accuracy: {minimum: 0.9}}}\n")
    return path


def test_register_promote_list_and_roll_back(home: Path, make_model: MakeModel, held_out: Path, policy: Path) -> None:
    for version in ("1", "2"):
        folder = make_model(f"model{version}")
        arguments = ["--evaluation", str(evaluation_of(folder)), "--lineage", "pipeline=training", "--json"]
        assert json.loads(run("register", str(folder), *arguments))["version"] == version
        arguments = ["--data", str(held_out), "--policy", str(policy), "--json"]
        assert json.loads(run("promote", NAME, version, *arguments))["promoted"] is True
    lines = json.loads(run("models", NAME, "--json"))
    assert [(line["version"], line["aliases"], line["decision"]) for line in lines] == [
        ("2", ["champion"], "promoted"),
        ("1", [], "promoted"),
    ]
    assert json.loads(run("rollback", NAME, "--json")) == {"name": NAME, "version": "1", "previous": "2"}
    table = run("models")
    assert "champion" in table
    assert "rolled back" in table


def test_a_rejected_version_prints_its_reasons_and_exits_with_six(
    home: Path, make_model: MakeModel, held_out: Path, policy: Path
) -> None:
    folder = make_model("weak", ("refund",))
    run("register", str(folder), "--evaluation", str(evaluation_of(folder)))
    arguments = ["promote", NAME, "1", "--data", str(held_out), "--policy", str(policy), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert json.loads(result.stdout)["reasons"] == ["accuracy 0.250 is below the gate 0.900"]
    assert isinstance(result.exception, GateRejected)
    assert result.exception.exit_code == 6
    assert "Version 1 of keyword_rules was not promoted: accuracy 0.250 is below" in str(result.exception)


def test_a_missing_policy_is_a_sentence(home: Path, held_out: Path) -> None:
    result = CliRunner().invoke(app, ["promote", NAME, "1", "--data", str(held_out)])
    assert isinstance(result.exception, UsageError)
    assert "mlflow/promotion.yaml cannot be read" in str(result.exception)


def test_listing_what_is_not_there(home: Path) -> None:
    assert run("models") == "No model is registered yet.\n"
    assert json.loads(run("models", "--json")) == []
    result = CliRunner().invoke(app, ["models", "tarot"])
    assert isinstance(result.exception, RegistryError)
    assert run("status") == "No local service runs; `vitrina up` starts the registry.\n"


def test_status_and_down_see_every_service(services: Path) -> None:
    for name in ("one", "two"):
        port = free_port()
        url = f"http://{server.HOST}:{port}"
        server.start(name, python("-m", "http.server", str(port), "-b", server.HOST), port=port, health_url=url)
    lines = json.loads(run("status", "--json"))
    assert [(line["name"], line["state"]) for line in lines] == [("one", "running"), ("two", "running")]
    assert json.loads(run("down", "two", "--json")) == {"stopped": ["two"]}
    assert run("down") == "stopped  one\n"
    assert run("down") == "stopped  nothing ran\n"
    result = CliRunner().invoke(app, ["down", "two"])
    assert isinstance(result.exception, UsageError)


def test_up_names_a_taken_port_and_its_setting(services: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        monkeypatch.setenv("VITRINA_MLFLOW_PORT", port)
        result = CliRunner().invoke(app, ["up"])
    assert isinstance(result.exception, ServiceError)
    assert f"Port {port} is already taken by another program; set VITRINA_MLFLOW_PORT" in str(result.exception)


def test_help_of_every_command_has_an_example_and_loads_nothing_heavy(new_home: Path) -> None:
    for name in ("up", "down", "status", "models", "register", "promote", "rollback"):
        assert "Example: " in run(name, "--help")
    module, heavy = vitrina.cli.registry.__name__, {"mlflow", "pandas", "torch"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(python("-c", code), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"

"""`vitrina prompts …` as a person and as a program use it, on a registry of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vitrina.errors import UsageError
from vitrina.llm.prompts.prompt import built_in


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path))
    for name in ("TRACKING_URI", "BACKEND_STORE_URI", "LLM_URL"):
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)
    return tmp_path


def run(*arguments: str) -> str:
    from vitrina.cli import app, prompts  # noqa: F401 - the second adds its commands to the first

    result = CliRunner().invoke(app, ["prompts", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def made(*arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run(*arguments, "--json"))
    return found


def test_a_version_is_registered_proposed_promoted_and_taken_back(home: Path, empty_database: Path) -> None:
    shutil.copy(empty_database, home / "mlflow.db")
    file = home / "mine.yaml"
    file.write_text('system: Describe it.\nuser: "{{ product }}"\nsampling: {temperature: 0.2}\nnote: plain\n')

    assert made("register", "describe")["version"] == "1"
    assert made("register", "describe")["new"] is False
    assert made("register", "describe", str(file))["note"] == "plain"
    assert made("promote", "describe", "1")["replaces"] == "built-in"
    assert made("promote", "describe", "2", "--candidate")["replaces"] is None
    listed = made("list", "describe")["prompts"]
    assert [(each["version"], each["aliases"]) for each in listed] == [  # type: ignore[index, union-attr]
        ("2", ["candidate"]),
        ("1", ["production"]),
        ("built-in", []),
    ]
    assert made("promote", "describe", "none", "--candidate")["replaces"] == "2"
    assert made("promote", "describe", "2")["replaces"] == "1"
    assert made("rollback", "describe")["version"] == "1"
    assert made("rollback", "describe")["version"] == "built-in"
    assert "first version" in run("list")


def test_without_a_registry_the_built_in_prompts_are_listed() -> None:
    listed = made("list")["prompts"]

    assert [each["aliases"] for each in listed] == [["production"]] * 4  # type: ignore[index, union-attr]
    assert built_in("describe").note == "first version"


def test_a_mistake_reaches_the_user_as_one_sentence(home: Path) -> None:
    with pytest.raises(UsageError, match="There is no task 'poem'"):
        run("list", "poem")
    with pytest.raises(UsageError, match=r"nothing\.yaml cannot be read"):
        run("register", "describe", str(home / "nothing.yaml"))
    with pytest.raises(UsageError, match="Say where the language model is"):
        run("evaluate", "describe")

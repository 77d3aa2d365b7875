"""`vitrina llm …` as a person and as a program use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vitrina.errors import UsageError


def run(*arguments: str) -> str:
    from vitrina.cli import app, llm  # noqa: F401 - the second adds its commands to the first

    result = CliRunner().invoke(app, ["llm", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_plan_is_a_table_for_people():
    shown = run("plan", "granite-3.1-8b", "--gpu", "L4", "--gpu", "T4", "--dtype", "bf16")
    assert "8,170,848,256 parameters" in shown
    assert "--max-model-len=4096" in shown
    assert "vLLM does not run bf16" in " ".join(shown.split())
    quantized = run("plan", "granite-3.1-8b", "--gpu", "T4", "--dtype", "int8")
    assert "vllm serve <int8 checkpoint of ibm-granite/granite-3.1-8b-instruct> --served" in quantized


def test_a_plan_is_json_for_programs_and_a_picture(tmp_path):
    picture = tmp_path / "new" / "plan.png"
    made = json.loads(run("plan", "granite-3.1-2b", "--concurrency", "10", "--picture", str(picture), "--json"))
    assert made["parameters"]["total"] == 2_533_531_648
    assert all(gpu["largest_concurrency"] >= 10 for gpu in made["gpus"] if gpu["fits"])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert Path(made["picture"]) == picture


def test_a_mistake_reaches_the_user_as_one_sentence():
    with pytest.raises(UsageError, match="cannot be divided among 3"):
        run("plan", "granite-3.1-8b", "--tensor-parallel", "3")


def test_manifests_are_written_as_files(tmp_path):
    options = (
        "--profile",
        "production",
        "--mode",
        "raw",
        "--set",
        "max_replicas=6",
        "--output",
        str(tmp_path),
        "--json",
    )
    made = json.loads(run("manifests", *options))
    assert [Path(path).name for path in made["files"]] == ["production-raw.yaml"]
    assert "maxReplicas: 6" in (tmp_path / "production-raw.yaml").read_text()


def verify(*arguments: str) -> tuple[int, str]:
    from vitrina.cli import app, llm  # noqa: F401 - the second adds its commands to the first

    result = CliRunner().invoke(app, ["llm", "verify", *arguments], catch_exceptions=False)
    return result.exit_code, result.stdout


def test_a_server_is_verified_line_by_line(llm_server):
    code, shown = verify(llm_server.url)
    assert code == 0
    assert "first token after" in shown

    code, printed = verify(llm_server.url, "--json")
    assert code == 0
    assert [check["status"] for check in json.loads(printed)["checks"]][:5] == ["pass"] * 5


def test_a_server_that_is_away_fails_with_a_diagnosis_and_a_code():
    code, shown = verify("http://127.0.0.1:9/v1", "--gpu", "L4", "--model", "granite-3-1-8b")
    assert code == 7
    assert "nobody answers" in shown
    assert "By the plan, ibm-granite/granite-3.1-8b-instruct at 4,096 tokens on one L4" in shown


def test_a_key_is_taken_from_the_named_variable(monkeypatch):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    with pytest.raises(UsageError, match="SHOP_KEY holds no API key"):
        run("verify", "http://127.0.0.1:9/v1", "--key-env", "SHOP_KEY")


def test_a_tiny_model_is_built_for_rehearsals(tmp_path):
    made = json.loads(run("tiny", str(tmp_path / "tiny"), "--steps", "1", "--json"))
    assert made["parameters"] < 1_000_000
    assert (tmp_path / "tiny" / "model.safetensors").is_file()

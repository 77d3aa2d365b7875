"""`vitrina pipeline` and `vitrina schedule` as a person calls them; the work is in `python -m pipelines`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import vitrina.cli.pipelines  # noqa: F401 (adds its commands to the app)
from vitrina.cli import app
from vitrina.errors import UsageError

PROJECT = Path(__file__).parents[3]


def invoke(*arguments: str, folder: Path = PROJECT) -> tuple[int, str, str]:
    """A process of its own: exit code, stdout, stderr."""
    call = "import vitrina.cli.pipelines; from vitrina.cli import app; app()"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", call, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_compile_writes_the_named_pipeline_with_its_image(tmp_path: Path) -> None:
    output = tmp_path / "mine.yaml"
    code, out, _ = invoke("pipeline", "compile", "training", "--image", "mine/python:2", "--output", str(output))
    assert code == 0
    assert str(output) in "".join(out.split())
    assert output.read_text().count("image: mine/python:2") == 8


def test_an_unknown_pipeline_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    code, out, error = invoke("pipeline", "compile", "trainng", "--output", str(tmp_path))
    assert (code, out) == (2, "")
    assert error == "vitrina: There is no pipeline 'trainng'. Known: training, retraining, embedding.\n"


def test_options_of_one_pipeline_are_refused_for_all_of_them() -> None:
    result = CliRunner().invoke(app, ["pipeline", "compile", "--preset", "gpu"])
    assert isinstance(result.exception, UsageError)


def test_outside_a_project_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["pipeline", "compile"])
    assert isinstance(result.exception, UsageError)
    assert "run this in the project's folder" in str(result.exception)


def test_run_shows_its_tasks_while_they_work_and_fails_with_the_data_s_own_sentence(tmp_path: Path) -> None:
    (tmp_path / "chats.csv").write_text("message,topic\nhello,greeting\n")
    tables = json.dumps({"messages": str(tmp_path / "chats.csv")})
    given = ("--param", "family=intent_classifier", "--param", f"tables={tables}", "--root", str(tmp_path / "runs"))
    code, out, error = invoke("pipeline", "run", "training", *given)
    assert (code, out) == (8, "")
    started, failed, sentence, log = error.splitlines()
    assert started.split() == ["ingest", "running"]
    assert failed.split()[:2] == ["ingest", "failed"]
    assert sentence.startswith("vitrina: vitrina-training: task ingest failed: ")
    assert "text" in sentence
    assert Path(log.removeprefix("Log: ")).is_file()


def test_a_parameter_without_a_value_is_refused() -> None:
    result = CliRunner().invoke(app, ["pipeline", "run", "training", "--param", "family"])
    assert isinstance(result.exception, UsageError)


def test_schedule_without_a_host_checks_and_lists(tmp_path: Path) -> None:
    code, out, _ = invoke("schedule", "--json")
    assert code == 0
    assert json.loads(out)["nightly-retraining"]["cron"] == "0 0 3 * * *"
    (tmp_path / "wrong.yaml").write_text("nightly: {pipeline: retraining, cron: 0 3 * * *}\n")
    code, _, error = invoke("schedule", "--file", str(tmp_path / "wrong.yaml"))
    assert code == 2
    assert "six fields" in error


def test_submit_to_nobody_names_the_address(tmp_path: Path) -> None:
    given = ("--param", "family=x", "--param", "tables={}", "--host", "http://127.0.0.1:9")
    code, _, error = invoke("pipeline", "submit", "training", *given)
    assert code == 7
    assert error == "vitrina: No Kubeflow Pipelines API answers at http://127.0.0.1:9.\n"

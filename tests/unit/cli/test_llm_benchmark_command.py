"""`vitrina llm benchmark` as a person and as a program use it; guidellm's part is a report that it wrote before."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.llm_server import LLMServer
from vitrina.errors import UsageError

REPORT = Path(__file__).resolve().parents[1] / "llm" / "benchmark" / "guidellm_report.json"


def run(*arguments: str) -> str:
    from vitrina.cli import app, llm  # noqa: F401 - the second adds its commands to the first

    result = CliRunner().invoke(app, ["llm", "benchmark", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "guidellm"
    command.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, shutil\n"
        "spec = json.loads(pathlib.Path('scenario.json').read_text())['spec']\n"
        f"shutil.copyfile({str(REPORT)!r}, spec['outputs'][0]['path'])\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("VITRINA_GUIDELLM", str(command))
    monkeypatch.delenv("VITRINA_LLM_MODEL", raising=False)


def test_a_benchmark_is_a_table_for_people(reported, llm_server: LLMServer, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run(llm_server.url, "--level", "2", "--output", str(tmp_path / "out"))
    assert "2 at once" in shown
    assert "2 at once: 2 × Client error '429 Too Many Requests'" in shown
    assert "No level holds" in shown
    assert (tmp_path / "out" / "benchmark.html").is_file()


def test_a_benchmark_is_json_for_programs_and_the_promise_can_be_another(reported, llm_server: LLMServer, tmp_path):
    promise = ("--slo", "ttft_ms=2000", "--slo", "share=0.6", "--slo", "concurrency=1")
    made = json.loads(run(llm_server.url, "--level", "2", "--output", str(tmp_path / "out"), *promise, "--json"))
    assert made["model"] == llm_server.model
    assert made["verdict"]["met"] is True
    assert made["levels"][0]["good"] == pytest.approx(4 / 6)
    kept = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert kept["objective"]["ttft_ms"] == 2000
    scenario = json.loads((tmp_path / "out" / "concurrent-2" / "scenario.json").read_text())
    assert scenario["spec"]["backend"]["model"] == llm_server.model


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--slo", "speed=3"), "speed"),
        (("--slo", "share=95"), "share"),
        (("--arrivals", "bursts"), "arrivals"),
        (("--level", "1.5"), "whole numbers"),
    ],
)
def test_a_mistake_reaches_the_user_as_one_sentence(option, words):
    with pytest.raises(UsageError, match=words):
        run("http://127.0.0.1:9/v1", *option)

"""The data commands, as a person and as a program use them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import vitrina.cli.data  # registers the commands
from vitrina.cli import app
from vitrina.errors import DataError, UsageError

assert vitrina.cli.data.app is app


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_from_sample_to_validated_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = json.loads(
        run("sample", "--products", "30", "--users", "20", "--interactions", "300", "--messages", "200", "--json")
    )
    assert made["rows"]["messages"] == 200
    options = []
    for name, path in made["tables"].items():
        result = json.loads(run("ingest", name, path, "--json"))
        assert (result["rows"], result["quarantined"]) == (made["rows"][name], 0)
        assert result["output"] == f"data/tables/{name}.parquet"
        options += ["--table", f"{name}={result['output']}"]
    checked = json.loads(run("validate", *options, "--report", "report.json", "--json"))
    assert checked["ok"]
    assert set(checked["tables"]) == set(made["tables"])
    assert Path("report.json").exists()


def test_ingest_maps_columns_and_shows_a_table_for_people(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("body;topic\n¿Dónde está?;order_status\n")
    output = run(
        "ingest", "messages", str(tmp_path / "t.csv"), "--output", str(tmp_path / "m.parquet"),
        "--map", "text=body", "--map", "intent=topic", "--map", "language==es",
    )  # fmt: skip
    assert "rows" in output
    with pytest.raises(UsageError, match="--map takes NAME=VALUE"):
        run("ingest", "messages", str(tmp_path / "t.csv"), "--map", "text")
    with pytest.raises(DataError, match="lacks the column text"):
        run("ingest", "messages", str(tmp_path / "t.csv"))


def test_the_program_exits_with_one_sentence_on_a_mistake(tmp_path: Path) -> None:
    missing = tmp_path / "none.csv"
    code = "import vitrina.cli.data; from vitrina import cli; cli._register = lambda: None; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "ingest", "messages", str(missing)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, f"vitrina: {missing} does not exist.\n")


def test_published_sets_are_listed_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = str(Path(__file__).parents[3] / "data" / "datasets.yaml")
    listed = json.loads(run("data", "list", "--catalogue", catalogue, "--json"))
    assert "clinc150" in [one["name"] for one in listed]
    assert "messages" in run("data", "list", "--catalogue", catalogue)
    monkeypatch.setenv("VITRINA_DATA", str(tmp_path))
    (tmp_path / "wands_queries").mkdir()
    with pytest.raises(DataError, match=r"query\.csv is missing"):
        run("data", "fetch", "wands_queries", "--catalogue", catalogue)


def test_jobs_and_commands_import_nothing_heavy() -> None:
    code = (
        "import sys, vitrina.jobs, vitrina.cli.data;"
        "print([m for m in ('pandas', 'pyarrow', 'great_expectations', 'pooch', 'PIL', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

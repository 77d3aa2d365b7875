from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import vitrina.cli.serving  # noqa: F401 - adds its commands to `app`
from vitrina.cli import app
from vitrina.errors import DataError, UsageError, VitrinaError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, VitrinaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_predict_answers_texts_as_json(student_folder: Path) -> None:
    answer = json.loads(run("predict", "where is my order", "📦", "--model", str(student_folder), "--json"))
    assert answer["rows"] == 2
    assert [row["text"] for row in answer["predictions"]] == ["where is my order", "📦"]
    assert answer["predictions"][0]["label"].startswith("intent_number_")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predict_reads_and_writes_files(student_folder: Path, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.csv").write_text("text,other\nhello,1\nadiós,2\n")
    output = tmp_path / f"out{suffix}"
    run("predict", "--file", str(tmp_path / "in.csv"), "--output", str(output), "--model", str(student_folder))
    readers = {".csv": pd.read_csv, ".jsonl": lambda p: pd.read_json(p, lines=True), ".parquet": pd.read_parquet}
    assert list(readers[suffix](output)["text"]) == ["hello", "adiós"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], UsageError, "one of them"),
        (["--file", "gone.csv"], UsageError, "gone.csv does not exist"),
        (["--file", "wrong.txt"], UsageError, "must end in"),
        (["--file", "other.csv"], DataError, "column text is missing"),
        (["--file", "empty.csv"], DataError, "cannot be read"),
        (["--file", "nulls.csv"], DataError, "some rows have no text"),
    ],
)
def test_predict_says_what_is_wrong_with_its_input(
    student_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {"wrong.txt": "text", "other.csv": "body\nx\n", "empty.csv": "", "nulls.csv": "text,a\nx,1\n,2\n"}
    for name, content in contents.items():
        Path(name).write_text(content)
    with pytest.raises(error, match=message):
        run("predict", *arguments, "--model", str(student_folder))


def test_package_prints_the_tag(student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    answer = json.loads(run("package", str(student_folder), "--output", str(tmp_path / "bento"), "--json"))
    assert answer["tag"] == f"intent_classifier:{answer['version']}"
    assert (tmp_path / "bento" / "bento.yaml").is_file()


def test_serving_an_unknown_family_is_a_sentence(student_folder: Path) -> None:
    with pytest.raises(UsageError, match="bentos/nothing"):
        run("serve", "nothing", "--model", str(student_folder))


@pytest.mark.parametrize("command", ["package", "serve", "predict"])
def test_help_shows_an_example(command: str) -> None:
    assert f"Example: vitrina {command}" in run(command, "--help")

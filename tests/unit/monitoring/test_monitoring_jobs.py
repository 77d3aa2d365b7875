from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from vitrina.cli import app, data, monitoring
from vitrina.contracts import MESSAGES
from vitrina.data.tables import read_table
from vitrina.errors import ArtifactError, DataError, UsageError
from vitrina.jobs import drift, feedback, label, labelled
from vitrina.monitoring.decision import Decision
from vitrina.monitoring.predictions import read_window

assert data.app is app  # importing it adds the command `ingest`
Traffic = Callable[..., pd.DataFrame]
WriteLog = Callable[..., Path]


@pytest.fixture
def log(write_log: WriteLog, traffic: Traffic) -> Path:
    """300 predictions of usual traffic."""
    return write_log(traffic(300, seed=2))


@pytest.fixture
def truth(log: Path, tmp_path: Path) -> Path:
    """A file of labels for 40 requests, 4 of them unlike the prediction, and one nobody knows."""
    rows = read_window(log).frame.head(40)[["request_id", "label"]]
    rows.loc[rows.index[:4], "label"] = "loyalty"
    rows.loc[40] = ["ghost", "refund"]
    rows.to_csv(tmp_path / "truth.csv", index=False)
    return tmp_path / "truth.csv"


def command(*arguments: object) -> dict:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_drifted_window_leaves_decision_report_and_gauges(
    model: Path, write_log: WriteLog, traffic: Traffic, tmp_path: Path
) -> None:
    log = write_log(traffic(300, seed=3, new=0.5))
    result = drift(str(model), log, tmp_path / "out" / "drift")
    assert result.drifted
    assert result.retrain
    assert "embedding" in result.columns
    assert sorted(path.name for path in (tmp_path / "out" / "drift").iterdir()) == [
        "decision.json",
        "drift.prom",
        "report.html",
    ]
    decision = Decision.model_validate_json(result.decision.read_bytes())
    assert decision.reasons == result.reasons
    assert {test["column"] for test in decision.tests if test["drifted"]} == set(result.columns)
    assert result.report is not None
    assert "<html" in result.report.read_text()[:1000]
    assert "vitrina_drift_detected" in result.gauges.read_text()


def test_a_window_with_few_rows_has_no_report(model: Path, log: Path, tmp_path: Path) -> None:
    result = drift(str(model), log, tmp_path / "out", until="1d")
    assert (result.drifted, result.rows, result.report) == (False, 0, None)
    assert result.reasons == ["0 rows are too few to tell: at least 200 are needed"]


def test_a_failed_check_leaves_the_last_decision_alone(model: Path, log: Path, tmp_path: Path) -> None:
    drift(str(model), log, tmp_path / "out", minimum_rows=1000)
    before = (tmp_path / "out" / "decision.json").read_text()
    (model / "topics.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"topics\.json does not match its checksum"):
        drift(str(model), log, tmp_path / "out")
    assert (tmp_path / "out" / "decision.json").read_text() == before


def test_feedback_is_counted_joined_and_scored(log: Path, truth: Path) -> None:
    result = feedback(truth, log)
    assert (result.received, result.new, result.joined, result.unknown) == (41, 41, 40, 1)
    assert result.live_accuracy["all"]["accuracy"] == 0.9
    assert feedback(truth, log).new == 0


def test_a_folder_without_a_log_takes_no_feedback(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no prediction log"):
        feedback(truth, tmp_path / "nowhere")


def test_labels_make_the_round_trip(model: Path, log: Path, truth: Path, tmp_path: Path) -> None:
    """Export, label by hand, import: the rows are canonical, and labelled messages are not asked for again."""
    feedback(truth, log)
    result = label(str(model), log, tmp_path / "tasks", count=20)
    assert (result.rows, result.uncertain, result.drifted) == (20, 10, 10)
    tasks = pd.read_csv(result.csv, dtype=str)
    assert not set(tasks["request_id"]) & set(pd.read_csv(truth)["request_id"])
    assert "gift_wrapping" in result.config.read_text()
    tasks["label"] = "loyalty"
    tasks.to_csv(tmp_path / "done.csv", index=False)
    messages = labelled(tmp_path / "done.csv", tmp_path / "messages.parquet")
    assert (messages.rows, messages.labels) == (20, 1)
    assert set(read_table(messages.output, MESSAGES)["text"]) == set(tasks["text"])


def test_feedback_becomes_training_rows(log: Path, truth: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing logged whose true label is known"):
        labelled(log, tmp_path / "messages.parquet")
    feedback(truth, log)
    result = labelled(log, tmp_path / "messages.parquet")
    assert result.rows == 40
    assert (read_table(result.output, MESSAGES)["intent"] == "loyalty").sum() == 4


def test_a_log_whose_messages_all_have_labels_leaves_nothing_to_ask(
    model: Path, write_log: WriteLog, traffic: Traffic, tmp_path: Path
) -> None:
    log = write_log(traffic(3, seed=1), name="small")
    read_window(log).frame[["request_id", "label"]].to_csv(tmp_path / "all.csv", index=False)
    feedback(tmp_path / "all.csv", log)
    with pytest.raises(DataError, match="holds nothing without a label"):
        label(str(model), log, tmp_path / "tasks")


def test_the_commands_answer_in_json(model: Path, log: Path, truth: Path, tmp_path: Path) -> None:
    assert command("feedback", truth, "--predictions", log)["unknown"] == 1
    assert command("ingest", "feedback", truth, "--predictions", log)["new"] == 0
    checked = command("drift", model, "--predictions", log, "--output", tmp_path / "d", "--minimum-rows", 1000)
    assert checked["reasons"] == ["300 rows are too few to tell: at least 1000 are needed"]
    tasks = command("label", "export", model, "--predictions", log, "--output", tmp_path / "t", "--count", 5)
    assert tasks["rows"] == 5
    assert command("label", "import", log, "--output", tmp_path / "m.parquet")["rows"] == 40


@pytest.mark.parametrize("name", ["drift", "feedback", "label export", "label import"])
def test_every_command_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert f"Example: vitrina {name} " in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["feedback", "ingest feedback"])
def test_feedback_without_a_log_is_refused(truth: Path, name: str) -> None:
    with pytest.raises(UsageError, match="Feedback needs --predictions"):
        CliRunner().invoke(app, [*name.split(), str(truth)], catch_exceptions=False)


def test_a_port_without_watching_is_refused(model: Path, log: Path, tmp_path: Path) -> None:
    arguments = ["drift", str(model), "--predictions", str(log), "--output", str(tmp_path), "--metrics-port", "9108"]
    with pytest.raises(UsageError, match="--metrics-port needs --watch"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_watching_serves_fresh_gauges_and_outlives_a_failure(
    model: Path,
    log: Path,
    tmp_path: Path,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three checks: a good one, one while the log is away, one on a longer log; each pause acts on the world."""

    def scraped() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    class Enough(Exception):
        pass

    def rename_log() -> None:
        assert 'vitrina_window_rows{model="message_toy"' in scraped()
        log.rename(tmp_path / "away")

    def bring_log_back() -> None:
        (tmp_path / "away").rename(log)
        (log / "2026-11-21.0.jsonl").write_text("torn")

    def stop() -> None:
        assert "vitrina_log_unreadable_lines" in scraped()
        raise Enough

    steps = iter([rename_log, bring_log_back, stop])
    monkeypatch.setattr(monitoring.time, "sleep", lambda seconds: next(steps)())
    options = {"predictions": log, "output": tmp_path / "out", "minimum_rows": 1000, "watch": 60.0}
    with pytest.raises(Enough):
        monitoring.drift(str(model), metrics_port=free_port, as_json=True, **options)
    shown = capsys.readouterr()
    assert "There is no prediction log" in shown.err
    assert json.loads((tmp_path / "out" / "decision.json").read_text())["torn_lines"] == 1
